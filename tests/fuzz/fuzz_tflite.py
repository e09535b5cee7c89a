"""Coverage-guided fuzzing of the importer of .tflite files:

    python -m tests.fuzz.fuzz_tflite [DIRECTORY] [options of libFuzzer, such as -max_total_time=600]

DIRECTORY collects inputs that reach new code, ./fuzz-tflite without one. What fails is left in the working
directory, as crash-... or timeout-...; once mended it belongs into tests/fuzz/corpus/tflite.
"""

from __future__ import annotations

import sys

from tests.fuzz.driver import fuzz

if __name__ == "__main__":
    fuzz("tflite", sys.argv)
