"""Model files as trees of objects, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

_BUFFER_ALIGNMENT = 16  # bytes


def generated() -> Any:
    """The module that was generated from TFLite's schema."""
    from tflite_micro.tensorflow.lite.micro.python import schema_py_generated

    return schema_py_generated


def model_tree(model: bytes) -> Any:
    """A model file's ``ModelT``."""
    schema = generated()
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))


def packed(tree: Any) -> bytes:
    """A ``ModelT`` as a file whose constants begin at multiples of 16 bytes, as the schema demands
    (``force_align``) and generated Python does not do.
    """
    from flatbuffers import Builder

    schema = generated()

    # The base class is generated and has no types; its packing is called by the name it has there.
    class AlignedBuffer(schema.BufferT):  # type: ignore[misc, name-defined]
        def __init__(self, data: Any) -> None:
            super().__init__()
            self.data = data

        def Pack(self, builder: Any) -> Any:  # noqa: N802
            values = np.asarray(self.data, np.uint8).tobytes()
            builder.StartVector(1, len(values), _BUFFER_ALIGNMENT)
            builder.head -= len(values)
            builder.Bytes[builder.head : builder.head + len(values)] = values
            vector = builder.EndVector()
            schema.BufferStart(builder)
            schema.BufferAddData(builder, vector)
            return schema.BufferEnd(builder)

    tree.buffers = [
        buffer if buffer.data is None or not len(buffer.data) else AlignedBuffer(buffer.data)
        for buffer in tree.buffers
    ]
    builder = Builder(1 << 20)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())
