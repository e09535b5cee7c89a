"""Jinja as the templates want it: undefined names are errors, statements stand on lines of their own."""

from __future__ import annotations

import re
from collections.abc import Iterable

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from generator.assets import templates_dir
from generator.graph import DType, Tensor
from generator.plan import Argument, BufferArgument, ListArgument

_BYTES_PER_LINE = 24
_C_TYPES = {
    DType.INT8: "int8_t",
    DType.UINT8: "uint8_t",
    DType.INT16: "int16_t",
    DType.INT32: "int32_t",
    DType.INT64: "int64_t",
    DType.FLOAT32: "float",
    DType.BOOL: "bool",
}


def make_environment() -> Environment:
    """The environment of all templates."""
    environment = Environment(
        loader=FileSystemLoader(templates_dir()),
        undefined=StrictUndefined,
        line_statement_prefix="%%",
        line_comment_prefix="%#",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters.update(
        argument=argument_text,
        bytes_lines=bytes_lines,
        c_type=lambda dtype: _C_TYPES[dtype],
        is_quantized=lambda tensor: tensor.quantization is not None and tensor.dtype is not DType.FLOAT32,
        c_float=lambda value: f"{float(value).hex()}f",
        c_string=c_string,
        comment=comment,
        initial_byte=initial_byte,
        quantization=quantization_text,
    )
    return environment


def argument_text(argument: Argument) -> str:
    """A kernel's argument as C."""
    if isinstance(argument, BufferArgument):
        constant = "const " if argument.constant else ""
        return f"({constant}{argument.c_type} *)(arena + {argument.offset})"
    if isinstance(argument, ListArgument):
        items = ", ".join(argument_text(item) for item in argument.items)
        return f"(const {argument.c_type} *const[]){{{items}}}"
    return argument.symbol


def bytes_lines(data: bytes) -> Iterable[str]:
    """Initialisers of a byte array, a fixed number per line."""
    for start in range(0, len(data), _BYTES_PER_LINE):
        yield ", ".join(f"0x{byte:02x}" for byte in data[start : start + _BYTES_PER_LINE]) + ","


def c_string(text: str) -> str:
    """A C string literal; whatever is not plain ASCII as octal escapes of its UTF-8."""
    plain = (
        chr(b) if 32 <= b < 127 and b not in b'"\\?' else f"\\{b:03o}"
        for b in text.encode("utf-8", "replace")
    )
    return f'"{"".join(plain)}"'


def comment(value: object) -> str:
    """Text from a stranger's model inside a C comment: one line, which it cannot end."""
    text = re.sub(r"[^ -~]+", "?", str(value))
    return _no_comment_ends(text)


def one_line(name: str) -> str:
    """A model's name for banners: a file name may hold line ends, bytes that are no UTF-8, and more."""
    return _no_comment_ends("".join(c if c.isprintable() else "?" for c in name))


def _no_comment_ends(text: str) -> str:
    return text.replace("*/", "*?").replace("/*", "?*")


def initial_byte(variable: Tensor) -> int:
    """What memset fills a variable with: all its bytes are the same, that of an int8 zero point or 0."""
    (byte,) = set(variable.initial.tobytes())
    return byte


def quantization_text(tensor: Tensor) -> str:
    """How to read a tensor's numbers, for a comment."""
    if tensor.quantization is None:
        return ""
    scale, zero_point = tensor.quantization.scale, tensor.quantization.zero_point
    return f", real = {scale:.9g} * (q - {zero_point})"
