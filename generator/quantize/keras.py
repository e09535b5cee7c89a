"""The one door to TensorFlow: imported late, quiet, seeded, on few threads."""

from __future__ import annotations

import contextlib
import io
import os
import random
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from generator.errors import MissingToolError

_THREADS = 2


def tensorflow(purpose: str = "training") -> Any:
    """Return the ``tensorflow`` module.

    Raises:
        MissingToolError: it is not installed; the message says that ``purpose`` needs it.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    try:
        with quiet():
            import tensorflow as tf
    except ImportError as error:
        raise MissingToolError(f"{purpose} needs TensorFlow: pip install 'firmcast[train]'") from error
    try:
        tf.config.threading.set_intra_op_parallelism_threads(_THREADS)
        tf.config.threading.set_inter_op_parallelism_threads(_THREADS)
    except RuntimeError:
        pass  # it runs already, in somebody else's process and with their settings
    tf.get_logger().setLevel("ERROR")
    return tf


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence TensorFlow, whose C++ logs whatever the log level says and whose exporter prints a summary.

    Standard output belongs to the result. What goes wrong arrives as an exception all the same.
    """
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def seed_everything(tf: Any, seed: int) -> None:
    """Make what follows repeatable on one machine: all seeds, deterministic kernels."""
    random.seed(seed)
    np.random.seed(seed)
    tf.keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
