"""The sweep: real training on few drawings, resumed, repeated, and put on fronts."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install 'firmcast[train]'")
pytest.importorskip("cv2", reason="OpenCV is not installed")


from generator.errors import UsageError
from generator.learn.recipes import PAPER
from generator.learn.sweep import (
    Cast,
    OnTarget,
    as_json,
    as_markdown,
    pareto_front,
    run_sweep,
    sweep_networks,
    write_tables,
)
from generator.pictures import synthetic_set
from tests.support.cli import firmcast

NETWORKS = {network.name: network for network in sweep_networks()}
SMALL = "mask_cnn_025"


def on_target(path):
    return OnTarget(1000, 0.5, 480.0, len(path.read_bytes()), 2, 3, 8, 0)


CAST = Cast("a board", on_target)


@pytest.fixture(scope="module")
def drawings():
    return synthetic_set(seed=1, train=24, held_out=10, size=48)


def run(drawings, folder, told, **options):
    return run_sweep(
        drawings,
        folder,
        CAST,
        networks=[NETWORKS[SMALL]],
        progress=told.append,
        **{"recipe": replace(PAPER, epochs=1), "workers": 0, "tuning_epochs": 1, **options},
    )


@pytest.fixture(scope="module")
def swept(drawings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    return run(drawings, folder, []), folder


def test_there_are_eight_networks_and_the_paper_s_is_among_them():
    sizes = {name: network.build().count_params() for name, network in NETWORKS.items()}
    assert len(sizes) == 8
    assert sizes["mask_cnn_100"] == 128_193
    assert sizes["squeezenet_modified"] == 336_705
    assert sizes["mask_cnn_025"] < sizes["mask_cnn_050"] < sizes["mask_cnn_075"] < sizes["mask_cnn_100"]
    assert sizes["ds_cnn_025"] < 10_000


def test_rows_tell_what_was_measured(swept):
    rows, folder = swept
    assert [(row.network, row.bits) for row in rows] == [(SMALL, 8), (SMALL, 4)]
    for row in rows:
        file = folder / f"{row.network}_w{row.bits}.tflite"
        assert row.tflite_bytes == file.stat().st_size == row.on_target.flash_bytes
        assert row.count == 10
        assert 0 <= row.accuracy <= 1
        assert row.settings.seed == 0
    assert rows[0].tflite_bytes > rows[1].tflite_bytes


def test_what_is_finished_is_not_trained_again(swept, drawings):
    rows, folder = swept
    told = []
    assert run(drawings, folder, told) == rows
    assert told == []
    (folder / "rows" / "mask_cnn_025_w4.json").unlink()
    assert run(drawings, folder, told) == rows
    assert sum("epoch" in line for line in told) == 1  # the fine-tuning; the network itself was there


def test_other_settings_make_rows_anew(swept, drawings, tmp_path):
    _, folder = swept
    told = []
    (row,) = run(drawings, folder, told, weights=(4,), tuning_epochs=0)
    assert row.settings.tuning_epochs == 0
    assert not any("epoch" in line for line in told)
    run(drawings, folder, told, weights=(4,))  # as it was


def test_equal_seeds_give_equal_files(swept, drawings, tmp_path):
    _, folder = swept
    run(drawings, tmp_path, [], weights=(4,))
    name = "mask_cnn_025_w4.tflite"
    assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_fronts_hold_what_no_other_beats(swept):
    row = swept[0][0]
    rows = [
        replace(row, network=name, on_target=replace(row.on_target, flash_bytes=size), accuracy=accuracy)
        for name, size, accuracy in [
            ("a", 5, 0.9),
            ("b", 3, 0.9),
            ("c", 3, 0.8),
            ("d", 1, 0.7),
            ("e", 9, 0.95),
        ]
    ]
    assert [row.network for row in pareto_front(rows, lambda row: row.on_target.flash_bytes)] == [
        "d",
        "b",
        "e",
    ]
    assert "| a | 8 bit |" in as_markdown(rows)
    assert [row["best_for_size"] for row in as_json(rows)["rows"]] == [False, True, False, True, True]


def test_pictures_have_the_same_bytes_each_time(swept, tmp_path):
    pytest.importorskip("matplotlib", reason="Matplotlib is not installed: pip install 'firmcast[plot]'")
    from generator.learn.pareto import draw_pareto

    rows, _ = swept
    first, second = (
        [path.read_bytes() for path in draw_pareto(rows, tmp_path / name)] for name in ("one", "two")
    )
    assert first == second
    assert first[0].startswith(b"\x89PNG")
    assert b"<svg" in first[1]
    table, text = write_tables(rows, tmp_path)
    assert len(json.loads(table.read_text())["rows"]) == len(rows)
    assert text.read_text() == as_markdown(rows)


def test_nothing_to_do_is_refused(drawings, tmp_path):
    with pytest.raises(UsageError, match="at least one network"):
        run_sweep(drawings, tmp_path, CAST, networks=[])


def test_an_unknown_network_is_named(tmp_path):
    done = firmcast("sweep", "--data", "synthetic", "--network", "resnet", cwd=tmp_path)
    assert done.code == 2
    assert "resnet" in done.err
    assert "mask_cnn_025" in done.err
