"""What the fuzzers of all importers have in common: libFuzzer by way of atheris."""

from __future__ import annotations

import random
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["generator.convert", "generator.read", "generator.simplify"]):
    import generator.convert
    import generator.read
    import generator.simplify  # noqa: F401
    from tests.fuzz.checks import check
    from tests.fuzz.importers import IMPORTERS
    from tests.fuzz.oracle import OracleProcess

LIMITS = ("-timeout=30", "-rss_limit_mb=1500", "-max_len=350000", "-reload=0", "-print_final_stats=1")


def fuzz(name: str, arguments: Sequence[str]) -> None:
    """Fuzz the importer ``name``; ends as libFuzzer's options say."""
    importer = IMPORTERS[name]
    options = [a for a in arguments[1:] if a.startswith("-")]
    folders = [a for a in arguments[1:] if not a.startswith("-")] or [f"fuzz-{name}"]
    for seed, data in importer.seeds().items():
        place = Path(folders[0]) / f"seed_{seed}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    oracle = OracleProcess()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")

    def one_input(data: bytes) -> None:
        check(importer, data, oracle)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.2:
            return bytes(atheris.Mutate(data, most))
        mutant = importer.mutated(data, rng)
        return mutant if len(mutant) <= most else data

    atheris.Setup([sys.argv[0], *LIMITS, *options, *folders], one_input, custom_mutator=mutate)
    atheris.Fuzz()
