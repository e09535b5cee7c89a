"""TFLM in a process of its own: it trusts its models, and may crash on those that strangers send."""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import select
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

TIMEOUT_S = 5.0
MEMORY_BYTES = 3 << 30


class OracleProcess:
    """Runs models one after the other; a crash costs the answer and no more."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def outputs(
        self, model: bytes, inputs: Sequence[np.ndarray]
    ) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]] | None:
        """What TFLM computes, and when it runs again; None if it refuses, crashes or hangs."""
        process = self._process or subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.oracle"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError, EOFError):
            pickle.dump((model, list(inputs)), process.stdin)
            process.stdin.flush()
            timeout = TIMEOUT_S + 10  # it may have to start first
            if select.select([process.stdout], [], [], timeout)[0]:
                return pickle.load(process.stdout)  # type: ignore[no-any-return]
        self.close()
        return None

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    from generator.errors import ModelError
    from generator.reference import Oracle

    while True:
        try:
            model, inputs = pickle.load(requests)
        except EOFError:
            return
        answer: Any
        try:
            oracle = Oracle(model)
            answer = oracle.run(inputs), oracle.run(inputs)
        except (ModelError, RuntimeError, ValueError, TypeError, IndexError, AttributeError):
            answer = None
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _serve(sys.stdin.buffer, out)
