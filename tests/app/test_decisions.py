"""Decision and text of the application, compiled on their own."""

from __future__ import annotations

import math
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from generator.assets import firmware_dir

STRICT = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wdouble-promotion", "-Werror"]
SANITIZE = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

_PROGRAM = """
#include <stdio.h>
#include <stdlib.h>
#include "fc_decision.h"
#include "fc_text.h"

struct request {
    int32_t what, element, count, zero_point, open_class, label_count, line_size;
    float scale, threshold;
    uint32_t cycles, bytes;
};

int main(void)
{
    static const char *const labels[] = {"no mask", "mask", "other"};
    struct request r;
    while (fread(&r, sizeof r, 1, stdin) == 1) {
        char *line = malloc((size_t)r.line_size);
        void *output = malloc(r.bytes); /* exactly as large, so that the sanitizer sees a step beyond */
        if (line == NULL || output == NULL || fread(output, 1, r.bytes, stdin) != r.bytes) {
            return 1;
        }
        struct fc_decision d = {.open = false};
        uint32_t length;
        if (r.what == 0) {
            const struct fc_model model = {
                .score_element = (enum fc_element)r.element,
                .score_count = (uint16_t)r.count,
                .score_scale = r.scale,
                .score_zero_point = r.zero_point,
                .labels = labels,
                .label_count = (uint16_t)r.label_count,
                .open_class = (uint16_t)r.open_class,
            };
            d = fc_decide(&model, output, r.threshold);
            length = (uint32_t)fc_decision_line(&model, &d, r.cycles, line, (size_t)r.line_size);
        } else {
            struct fc_text text = {.buffer = line, .size = (size_t)r.line_size, .length = 0};
            if (r.what == 1) {
                fc_text_thousandths(&text, r.scale);
            } else {
                fc_text_unsigned(&text, r.cycles);
            }
            length = (uint32_t)text.length;
        }
        const int32_t head[2] = {d.open, d.class_index};
        fwrite(head, sizeof head, 1, stdout);
        fwrite(&d.score, sizeof d.score, 1, stdout);
        fwrite(&length, sizeof length, 1, stdout);
        fwrite(line, 1, length, stdout);
        fflush(stdout);
        free(line);
        free(output);
    }
    return 0;
}
"""
ELEMENTS = {"int8": 0, "uint8": 1, "float32": 2, "int16": 3, "int32": 4}


@dataclass(frozen=True)
class Answer:
    open: bool
    class_index: int
    score: float
    line: str


class Application:
    """The compiled functions."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def decide(
        self,
        scores: Sequence[float],
        dtype: str = "float32",
        *,
        scale: float = 1.0,
        zero_point: int = 0,
        threshold: float = 0.5,
        open_class: int = 1,
        labels: int = 0,
        cycles: int = 0,
        line_size: int = 120,
    ) -> Answer:
        data = np.array(scores, dtype).tobytes()
        numbers = (0, ELEMENTS[dtype], len(scores), zero_point, open_class, labels, line_size)
        return self._ask(numbers, scale, threshold, cycles, data)

    def thousandths(self, value: float, size: int = 40) -> str:
        return self._ask((1, 0, 0, 0, 0, 0, size), value, 0.0, 0, b"").line

    def unsigned(self, value: int, size: int = 40) -> str:
        return self._ask((2, 0, 0, 0, 0, 0, size), 0.0, 0.0, value, b"").line

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(10) == 0

    def _ask(
        self, numbers: tuple[int, ...], scale: float, threshold: float, cycles: int, data: bytes
    ) -> Answer:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(
            struct.pack("<7i2f2I", *numbers, scale, threshold, cycles, len(data)) + data
        )
        self._process.stdin.flush()
        opened, index, score, length = struct.unpack("<2ifI", self._process.stdout.read(16))
        return Answer(bool(opened), index, score, self._process.stdout.read(length).decode())


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    folder = tmp_path_factory.mktemp("decide")
    (folder / "main.c").write_text(_PROGRAM)
    source = firmware_dir() / "app"
    command = ["cc", *STRICT, *SANITIZE, "-I", source, "main.c", source / "fc_decision.c", "-o", "decide"]
    subprocess.run(command, cwd=folder, check=True)
    application = Application(folder / "decide")
    yield application
    application.close()


def test_one_output_is_the_probability_of_class_1(app: Application) -> None:
    below, edge = float(np.nextafter(np.float32(0.5), np.float32(0))), 0.5
    for score, index in ((0.0, 0), (below, 0), (edge, 1), (1.0, 1)):
        answer = app.decide([score])
        assert (answer.class_index, answer.open, answer.score) == (index, index == 1, np.float32(score))
        # The same with a door that opens for class 0.
        assert app.decide([score], open_class=0).open == (index == 0)


@pytest.mark.parametrize(("dtype", "zero_point"), [("int8", -128), ("uint8", 0), ("int16", 0)])
def test_quantized_scores_at_the_threshold(dtype: str, zero_point: int, app: Application) -> None:
    for step, index in ((127, 0), (128, 1), (0, 0), (255, 1)):
        answer = app.decide([step + zero_point], dtype, scale=1 / 256, zero_point=zero_point)
        assert (answer.class_index, answer.score) == (index, step / 256)
    assert (
        app.decide([255 + zero_point], dtype, scale=1 / 256, zero_point=zero_point, threshold=1.0).open
        is False
    )
    assert (
        app.decide([0 + zero_point], dtype, scale=1 / 256, zero_point=zero_point, threshold=0.0).open is True
    )


def test_int32_is_the_class_itself(app: Application) -> None:
    answer = app.decide([2, 7], "int32", open_class=2, threshold=1.0)
    assert (answer.class_index, answer.score, answer.open) == (2, 1.0, True)
    assert not app.decide([0], "int32", open_class=2).open
    for value in (-1, 1 << 20, (1 << 16) + 2):
        assert not app.decide([value], "int32", open_class=2).open


def test_several_outputs_take_the_first_of_the_best(app: Application) -> None:
    answer = app.decide([0.1, 0.7, 0.7, 0.2])
    assert (answer.class_index, answer.open) == (1, True)
    assert app.decide([0.7, 0.7, 0.1]).class_index == 0
    assert app.decide([0.1, 0.2, 0.7]).open is False  # another class than the door's
    assert app.decide([0.1, 0.2, 0.7], open_class=2).open is True
    assert app.decide([-5.0, -3.0, -4.0], threshold=0.0).class_index == 1


def test_several_outputs_open_from_the_threshold_on(app: Application) -> None:
    assert app.decide([0.2, 0.5], threshold=0.5).open is True
    assert app.decide([0.2, float(np.nextafter(np.float32(0.5), np.float32(0)))], threshold=0.5).open is False
    scores = [-128, 0, -100]
    assert app.decide(scores, "int8", scale=1 / 256, zero_point=-128, threshold=0.5).open is True
    assert app.decide(scores, "int8", scale=1 / 256, zero_point=-128, threshold=0.501).open is False


def test_nan_never_opens(app: Application) -> None:
    nan = math.nan
    for open_class in (0, 1):
        for scores in ([nan], [nan, nan], [nan, 0.9], [0.1, nan]):
            answer = app.decide(scores, open_class=open_class)
            assert not answer.open, (scores, open_class)
    assert app.decide([nan]).line == "decision: class 0, score nan, 0 cycles, door closed\r\n"
    assert app.decide([0.1, nan, 0.9], open_class=2).open is True  # one that is none is no best


def test_lines(app: Application) -> None:
    assert app.decide([0.996], labels=2, cycles=6123456).line == (
        "decision: mask, score 0.996, 6123456 cycles, door open\r\n"
    )
    assert app.decide([0.0], labels=2, cycles=4294967295).line == (
        "decision: no mask, score 0.000, 4294967295 cycles, door closed\r\n"
    )
    assert app.decide([0, 0, 0, 9], labels=3).line.startswith("decision: class 3, score 9.000")


@pytest.mark.parametrize("size", [1, 2, 11, 30])
def test_lines_are_cut_and_never_overrun(size: int, app: Application) -> None:
    whole = app.decide([0.9], labels=2).line
    assert app.decide([0.9], labels=2, line_size=size).line == whole[:size]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000"),
        (-0.0, "0.000"),
        (1.0, "1.000"),
        (0.0004, "0.000"),
        (0.0006, "0.001"),
        (0.1, "0.100"),
        (0.0078125, "0.008"),
        (0.999, "0.999"),
        (0.9996, "1.000"),
        (-2.5, "-2.500"),
        (123.456, "123.456"),
        (1e30, "4000000.000"),
        (-1e30, "-4000000.000"),
        (math.inf, "4000000.000"),
        (-math.inf, "-4000000.000"),
        (math.nan, "nan"),
        (-math.nan, "nan"),
    ],
)
def test_thousandths(value: float, text: str, app: Application) -> None:
    assert app.thousandths(value) == text


def test_thousandths_of_every_quantized_score(app: Application) -> None:
    for step in range(257):
        assert app.thousandths(step / 256) == f"{math.floor(step / 256 * 1000 + 0.5) / 1000:.3f}"


@pytest.mark.parametrize("value", [0, 9, 10, 99, 4294967295, 1000000000])
def test_unsigned_numbers(value: int, app: Application) -> None:
    assert app.unsigned(value) == str(value)
    assert app.unsigned(value, 1) == str(value)[:1]
