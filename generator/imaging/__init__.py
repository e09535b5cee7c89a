"""Images as ``uint8`` arrays: reading files, the firmware's resampling, shipped samples.

Light: NumPy at import, OpenCV only inside :func:`read_image`.
"""

from __future__ import annotations

from generator.imaging.files import IMAGE_SUFFIXES, MAX_PIXELS, decode_image, read_image
from generator.imaging.resample import Image, area_average, crop_centre, crop_square, prepare_image, to_luma
from generator.imaging.samples import Sample, load_samples

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "Image",
    "Sample",
    "area_average",
    "crop_centre",
    "crop_square",
    "decode_image",
    "load_samples",
    "prepare_image",
    "read_image",
    "to_luma",
]
