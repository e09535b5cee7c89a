"""What firmware/app has to know of a network: its input as an image, its output as a decision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from generator.catalog import ModelInfo, Normalization, Settings
from generator.errors import UsageError
from generator.graph import DType, Graph, Tensor

_ELEMENTS = {
    DType.INT8: "FC_INT8",
    DType.UINT8: "FC_UINT8",
    DType.FLOAT32: "FC_FLOAT32",
    DType.INT16: "FC_INT16",
    DType.INT32: "FC_INT32",
}
_IMAGE_CHANNELS = (1, 3)
_MAX_IMAGE_SIDE = 1024
_MAX_SCORES = 0xFFFF  # fc_model.score_count; what is larger is no list of classes


@dataclass(frozen=True)
class ImageInput:
    """Input 0 as an image. ``pixel_table``: its bytes for each pixel value; empty for float inputs."""

    width: int
    height: int
    channels: int
    element: str
    pixel_table: bytes
    scale: float
    offset: float
    normalization: str


@dataclass(frozen=True)
class Application:
    """How the application reads the network. ``image`` is None for networks that take none."""

    image: ImageInput | None
    score_element: str
    score_count: int
    score_scale: float
    score_zero_point: int
    labels: tuple[str, ...]
    open_class: int
    threshold: float

    @property
    def has_wide_elements(self) -> bool:
        """Whether int16 or int32 stand at the network's edges."""
        edges = (self.score_element, *([] if self.image is None else [self.image.element]))
        return bool({_ELEMENTS[DType.INT16], _ELEMENTS[DType.INT32]}.intersection(edges))

    @property
    def buffer_bytes(self) -> int:
        """RAM for pictures on their way in: two rows of 32-bit sums."""
        return 0 if self.image is None else 2 * 4 * self.image.width * self.image.channels


def describe_application(graph: Graph, info: ModelInfo, settings: Settings) -> Application:
    """Bind a network to the application. Raises UsageError where ``info`` does not fit the network."""
    score = graph.output_tensors()[0]
    if score.dtype is DType.INT32:  # the class itself: how many there are, only labels tell
        classes = len(info.labels) or _MAX_SCORES
    else:
        classes = 2 if score.element_count == 1 else score.element_count
    if info.labels and len(info.labels) != classes:
        raise UsageError(
            f"{graph.name} tells {classes} classes apart, its model.json names {len(info.labels)}"
        )
    open_class = min(1, classes - 1) if info.positive is None else info.positive
    if open_class >= classes:
        raise UsageError(
            f"{graph.name} has classes 0 to {classes - 1}, its model.json opens for {open_class}"
        )
    quantization = score.quantization
    threshold = settings.application.threshold
    return Application(
        image=_image_input(graph.input_tensors(), info.normalization),
        score_element=_ELEMENTS[score.dtype],
        score_count=min(score.element_count, _MAX_SCORES),
        score_scale=quantization.scale if quantization else 1.0,
        score_zero_point=quantization.zero_point if quantization else 0,
        labels=info.labels,
        open_class=open_class,
        threshold=info.threshold if threshold is None else threshold,
    )


def pixel_values(tensor: Tensor, normalization: Normalization | None) -> NDArray[np.generic]:
    """The tensor's element for each pixel value 0..255, in the tensor's type.

    Without a normalization, float inputs get pixel / 255, and the pixel range spans a quantized input's
    whole range, which is what calibration on images makes.
    """
    pixels = np.arange(256)
    if tensor.dtype is DType.FLOAT32:
        normalization = normalization or Normalization(scale=1 / 255)
        scale, offset = np.float32(normalization.scale), np.float32(normalization.offset)
        real: NDArray[np.generic] = pixels.astype(np.float32) * scale + offset
        return real
    info = np.iinfo(np.dtype(tensor.dtype.value))
    if normalization is None:
        return np.asarray(pixels * ((info.max - info.min) // 255) + info.min, tensor.dtype.numpy)
    steps = (pixels * normalization.scale + normalization.offset) / tensor.quant.scale
    bounded = np.clip(np.floor(steps + 0.5) + tensor.quant.zero_point, info.min, info.max)
    quantized: NDArray[np.generic] = bounded.astype(tensor.dtype.numpy)
    return quantized


def _image_input(inputs: tuple[Tensor, ...], normalization: Normalization | None) -> ImageInput | None:
    tensor = inputs[0]
    takes_images = (
        len(inputs) == 1
        and len(tensor.shape) == 4
        and tensor.shape[0] == 1
        and tensor.shape[3] in _IMAGE_CHANNELS
        and max(tensor.shape) <= _MAX_IMAGE_SIDE
        and tensor.dtype in _ELEMENTS
    )
    if not takes_images:
        return None
    is_float = tensor.dtype is DType.FLOAT32
    used = normalization or Normalization(scale=1 / 255)
    return ImageInput(
        width=tensor.shape[2],
        height=tensor.shape[1],
        channels=tensor.shape[3],
        element=_ELEMENTS[tensor.dtype],
        pixel_table=b"" if is_float else pixel_values(tensor, normalization).tobytes(),
        scale=used.scale,
        offset=used.offset,
        normalization="the pixel range spans the input's range"
        if normalization is None and not is_float
        else f"pixel * {used.scale:g} + {used.offset:g}, quantized",
    )
