"""What fuzzing has found, once more, and mutants enough to notice what it would find first."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.fuzz.checks import check
from tests.fuzz.importers import IMPORTERS
from tests.fuzz.mutants import scrambled
from tests.fuzz.oracle import OracleProcess

CORPUS = Path(__file__).parent / "corpus"
FOUND = sorted(path for name in IMPORTERS for path in CORPUS.glob(f"{name}/*"))
SECONDS = 15.0
FEWEST = 300


@pytest.fixture(scope="module")
def oracle() -> Iterator[OracleProcess]:
    process = OracleProcess()
    with np.errstate(all="ignore"):
        yield process
    process.close()


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_is_right_now(path: Path, oracle: OracleProcess) -> None:
    check(IMPORTERS[path.parent.name], path.read_bytes(), oracle)


def test_corpus_is_small() -> None:
    assert FOUND
    assert sum(path.stat().st_size for path in FOUND) < 1 << 20


@pytest.mark.parametrize("name", IMPORTERS)
def test_seeds_are_right(name: str, oracle: OracleProcess) -> None:
    """All can be planned, and TFLM agrees where it can run them."""
    results = {seed: check(IMPORTERS[name], data, oracle) for seed, data in IMPORTERS[name].seeds().items()}
    assert "refused" not in results.values(), results
    assert Counter(results.values())["agrees"] > 0.8 * len(results), results


@pytest.mark.parametrize("name", IMPORTERS)
def test_mutants_are_refused_or_right(name: str, oracle: OracleProcess) -> None:
    """The same mutants every time, as far as the time goes."""
    importer, rng = IMPORTERS[name], random.Random(4)
    models = [data for data in importer.seeds().values() if len(data) < 1 << 14]
    results: Counter[str] = Counter()
    end = time.process_time() + SECONDS
    while time.process_time() < end:
        mutate = scrambled if rng.random() < 0.2 else importer.mutated
        mutant = mutate(rng.choice(models), rng)
        try:
            results[check(importer, mutant, oracle)] += 1
        except Exception as error:
            found = Path(f"fuzz-{name}-found")
            found.write_bytes(mutant)
            raise AssertionError(
                f"after {results.total()} mutants, this one is in {found}: {error}"
            ) from error
    assert results.total() > FEWEST
    assert results["refused"] > results.total() / 10 < results["agrees"], results
