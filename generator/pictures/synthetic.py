"""Faces with and without a mask, drawn: a smoke test for training, and pictures free of anybody's rights.

A model trained on these knows drawings, not people. They show that the whole road works; they say nothing
about accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from generator.imaging import Image
from generator.imaging.opencv import opencv

MaskKind: TypeAlias = Literal["surgical", "cloth", "ffp2", "black", "yellow", "skin"]
MASK_KINDS: tuple[MaskKind, ...] = ("surgical", "cloth", "ffp2", "black", "yellow", "skin")

_CANVAS = 256  # drawn at this side length, then shrunk: OpenCV's lines are thick and its edges hard
_SKINS = ((255, 224, 196), (241, 194, 157), (224, 172, 125), (198, 134, 86), (141, 85, 48), (92, 56, 36))
_HAIRS = ((26, 20, 18), (52, 34, 24), (98, 62, 34), (182, 140, 82), (140, 60, 30), (170, 168, 165))
_CLOTHS = ((150, 40, 50), (60, 90, 150), (40, 110, 90), (190, 120, 150), (90, 90, 100), (225, 215, 195))

_Colour: TypeAlias = tuple[float, float, float]
_Layer: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Face:
    """Where things are, in canvas pixels; ``yaw`` and ``pitch`` are the shift of the features."""

    x: float
    y: float
    half_width: float
    half_height: float
    yaw: float
    pitch: float
    skin: _Colour
    jaw: float

    def at(self, across: float, down: float) -> tuple[float, float]:
        """Canvas position of a point of the face: (-1..1 left to right, -1..1 forehead to chin).

        Turning the head moves points near the axis most: the surface is round.
        """
        bulge = max(0.0, 1 - across * across) ** 0.5
        return (
            self.x + self.half_width * (across * (1 - 0.12 * abs(self.yaw)) + 0.42 * self.yaw * bulge),
            self.y + self.half_height * (down + 0.16 * self.pitch * (1 - down * down)),
        )

    def outline(self, down_from: float = -1.0, grow: float = 1.0) -> list[tuple[float, float]]:
        """Contour of the head below ``down_from``: an ellipse whose lower half narrows to the chin."""
        points = []
        for angle in np.linspace(-np.pi, np.pi, 97):
            down = -float(np.cos(angle))
            if down < down_from:
                continue
            narrow = 1 - self.jaw * max(0.0, down) ** 2
            across = float(np.sin(angle)) * narrow
            points.append((self.x + grow * self.half_width * across, self.y + self.half_height * grow * down))
        return points


def draw_face(
    rng: np.random.Generator,
    masked: bool,
    size: int = 96,
    *,
    mask: MaskKind | None = None,
    noise: float = 2.5,
) -> Image:
    """Draw one face.

    Args:
        rng: source of everything that varies; the same state draws the same picture.
        masked: whether a mask is worn, properly over mouth and nose.
        size: side length of the square result, in pixels.
        mask: kind of mask; None draws one by lot.
        noise: largest standard deviation of the camera's noise, in steps of 0..255; 0 for none.

    Raises:
        MissingToolError: OpenCV is not installed.
    """
    return _Drawing(rng).face(masked, size, mask, noise)


def draw_mask_on(
    image: Image, nose_bridge: tuple[float, float], chin: tuple[float, float], width: float
) -> Image:
    """Draw a surgical mask on a photograph of a face.

    Args:
        image: H x W x 3 RGB.
        nose_bridge: (x, y) in pixels of the upper middle of the mask.
        chin: (x, y) in pixels just below the chin.
        width: distance in pixels between the mask's edges at the cheeks.
    """
    cv2 = opencv("drawing faces")
    scale = _CANVAS / max(image.shape[:2])
    drawing = _Drawing(np.random.default_rng(0))
    rows, columns = round(image.shape[0] * scale), round(image.shape[1] * scale)
    large = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_CUBIC)
    drawing.layer[:rows, :columns] = large
    top, bottom = np.array(nose_bridge) * scale, np.array(chin) * scale
    half_height = float(bottom[1] - top[1]) / 0.96
    face = _Face(
        x=float(bottom[0]),
        y=float(bottom[1]) - 1.04 * half_height,
        half_width=width * scale / 2,
        half_height=half_height,
        yaw=float(top[0] - bottom[0]) / (0.42 * width * scale / 2),
        pitch=0.0,
        skin=(224, 172, 125),
        jaw=0.28,
    )
    before = drawing.layer.copy()
    drawing.mask(face, "surgical")
    drawing.shade(face, before, light=(0.25, -0.35, 0.9), ambient=0.55)
    drawn = np.clip(drawing.layer[:rows, :columns], 0, 255).astype(np.uint8)
    changed = np.abs(drawing.layer - before).max(axis=2)[:rows, :columns] > 2
    down = (image.shape[1], image.shape[0])
    small = cv2.resize(drawn, down, interpolation=cv2.INTER_AREA).astype(np.float32)
    weight = cv2.resize(changed.astype(np.float32), down, interpolation=cv2.INTER_AREA)[..., np.newaxis]
    return _bytes_of(image * (1 - weight) + small * weight)


def _bytes_of(picture: npt.NDArray[Any]) -> Image:
    rounded: npt.NDArray[Any] = np.clip(np.rint(picture), 0, 255)
    return rounded.astype(np.uint8)


def _scaled(colour: _Colour, factor: float) -> _Colour:
    red, green, blue = (min(255.0, factor * part) for part in colour)
    return red, green, blue


def _extent(stencil: _Layer) -> tuple[slice, slice]:
    """Rows and columns that a stencil covers: most strokes are small, and painting is most of the work."""
    found = (np.flatnonzero(stencil.any(axis=axis)) for axis in (1, 0))
    rows, columns = (slice(f[0], f[-1] + 1) if len(f) else slice(0, 1) for f in found)
    return rows, columns


class _Drawing:
    """A canvas and the lot; every method draws one thing upon what is there."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.cv2 = opencv("drawing faces")
        self.rng = rng
        self.layer: _Layer = np.zeros((_CANVAS, _CANVAS, 3), np.float32)
        self.rows, self.columns = np.mgrid[0:_CANVAS, 0:_CANVAS].astype(np.float32)

    # --- primitives -------------------------------------------------------------------------------------

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def pick(self, colours: tuple[_Colour, ...], spread: float = 14) -> _Colour:
        chosen = colours[int(self.rng.integers(len(colours)))]
        shift = self.between(-spread, spread)
        red, green, blue = (min(255.0, max(0.0, c + shift + self.between(-5, 5))) for c in chosen)
        return red, green, blue

    def any_colour(self) -> _Colour:
        red, green, blue = (self.between(20, 235) for _ in range(3))
        return red, green, blue

    def stencil(self, points: list[tuple[float, float]], soft: float = 1.2) -> _Layer:
        """Coverage 0..1 of a polygon, its edge ``soft`` pixels wide."""
        stencil = np.zeros((_CANVAS, _CANVAS), np.float32)
        # Four bits below the pixel, OpenCV's fixed point for coordinates.
        corners = np.rint(np.array(points) * 16).astype(np.int32)
        self.cv2.fillPoly(stencil, [corners], 1.0, lineType=self.cv2.LINE_8, shift=4)
        return np.asarray(self.cv2.GaussianBlur(stencil, (0, 0), soft))

    def ellipse(
        self, centre: tuple[float, float], radii: tuple[float, float], soft: float = 1.2, tilt: float = 0.0
    ) -> _Layer:
        turn = np.linspace(0, 2 * np.pi, 49)[:-1]
        x, y = radii[0] * np.cos(turn), radii[1] * np.sin(turn)
        c, s = np.cos(tilt), np.sin(tilt)
        return self.stencil(
            list(zip(centre[0] + c * x - s * y, centre[1] + s * x + c * y, strict=True)), soft
        )

    def stroke(self, points: list[tuple[float, float]], width: float, soft: float = 1.0) -> _Layer:
        stencil = np.zeros((_CANVAS, _CANVAS), np.float32)
        corners = np.rint(np.array(points) * 16).astype(np.int32)
        self.cv2.polylines(stencil, [corners], False, 1.0, max(1, round(width)), self.cv2.LINE_8, 4)
        return np.asarray(self.cv2.GaussianBlur(stencil, (0, 0), soft))

    def paint(self, stencil: _Layer, colour: _Colour | _Layer, strength: float = 1.0) -> None:
        part = _extent(stencil)
        weight = (stencil[part] * strength)[..., np.newaxis]
        colours = np.asarray(colour, np.float32)
        self.layer[part] *= 1 - weight
        self.layer[part] += (colours if colours.ndim == 1 else colours[part]) * weight

    def darken(self, stencil: _Layer, factor: float) -> None:
        self.layer *= 1 - stencil[..., np.newaxis] * (1 - factor)

    # --- the picture ------------------------------------------------------------------------------------

    def face(self, masked: bool, size: int, mask: MaskKind | None, noise: float) -> Image:
        half_width = self.between(66, 86)
        face = _Face(
            x=128 + self.between(-10, 10),
            y=128 + self.between(-8, 12),
            half_width=half_width,
            half_height=half_width * self.between(1.22, 1.42),
            yaw=float(np.clip(self.rng.normal(0, 0.38), -0.85, 0.85)),
            pitch=self.between(-0.8, 0.8),
            skin=self.pick(_SKINS),
            jaw=self.between(0.18, 0.36),
        )
        hair = self.pick(_HAIRS)
        long_hair, bald, covered = self.chance(0.4), self.chance(0.08), self.chance(0.1)
        light = (self.between(-0.8, 0.8), self.between(-0.7, 0.1), 0.8)
        ambient = self.between(0.35, 0.75)

        self.background()
        if long_hair and not bald:
            self.paint(
                self.ellipse((face.x, face.y + 14), (face.half_width * 1.28, face.half_height * 1.22), 3),
                hair,
            )
        self.body(face)
        before = self.layer.copy()
        self.head(face)
        self.features(face, hair, masked)
        if not masked:
            self.lower_face(face, hair)
        if not bald:
            self.hair(face, hair)
        if covered:
            self.head_cover(face)
        if masked:
            self.mask(face, mask or MASK_KINDS[int(self.rng.integers(len(MASK_KINDS)))])
        if self.chance(0.28):
            self.glasses(face)
        self.shade(face, before, light, ambient)
        if not masked and self.chance(0.22):
            self.hand(face)
        if not masked and self.chance(0.12):
            self.scarf(face)
        return self.photograph(size, noise)

    def background(self) -> None:
        first, second = (np.array(self.any_colour()) * 0.6 + self.between(0, 90) for _ in range(2))
        angle = self.between(0, 2 * np.pi)
        across = (np.cos(angle) * (self.columns - 128) + np.sin(angle) * (self.rows - 128)) / 256 + 0.5
        self.layer = (first + (second - first) * across[..., np.newaxis]).astype(np.float32)
        for _ in range(int(self.rng.integers(0, 7))):
            x, y = self.between(0, 256), self.between(0, 256)
            wide, high = self.between(10, 70), self.between(10, 90)
            corners = [(x - wide, y - high), (x + wide, y - high), (x + wide, y + high), (x - wide, y + high)]
            blur = self.between(1, 9)
            shape = (
                self.stencil(corners, blur) if self.chance(0.6) else self.ellipse((x, y), (wide, high), blur)
            )
            self.paint(shape, self.any_colour(), self.between(0.3, 0.9))

    def body(self, face: _Face) -> None:
        neck = face.half_width * self.between(0.5, 0.68)
        chin = face.y + face.half_height
        shoulders = self.ellipse((face.x, chin + 88), (face.half_width * 2.0, 74), 1.5)
        self.paint(shoulders, self.any_colour())
        self.paint(
            self.stencil(
                [
                    (face.x - neck, chin - 50),
                    (face.x + neck, chin - 50),
                    (face.x + neck * 1.15, 290),
                    (face.x - neck * 1.15, 290),
                ]
            )
            * (self.rows < chin + 34),
            _scaled(face.skin, 0.82),
        )
        self.darken(self.stencil([(x, y + 10) for x, y in face.outline()], 7), 0.75)

    def head(self, face: _Face) -> None:
        for side in (-1, 1):
            visible = 1 + 0.6 * face.yaw * -side
            centre = (face.x + side * face.half_width * 0.98, face.y + 0.02 * face.half_height)
            radii = (max(2.0, face.half_width * 0.15 * visible), face.half_height * 0.2)
            self.paint(self.ellipse(centre, radii), _scaled(face.skin, 0.93))
        self.paint(self.stencil(face.outline()), face.skin)
        rosy: _Colour = (face.skin[0], face.skin[1] * 0.82, face.skin[2] * 0.8)
        for side in (-1, 1):
            self.paint(self.ellipse(face.at(0.52 * side, 0.28), (20, 16), 9), rosy, 0.35)

    def features(self, face: _Face, hair: _Colour, masked: bool) -> None:
        iris = self.pick(((70, 45, 25), (50, 35, 25), (70, 110, 140), (80, 110, 70)))
        width, opening = face.half_width * self.between(0.17, 0.22), self.between(0.35, 0.6)
        gaze, frown = self.between(-0.3, 0.3), self.between(-0.25, 0.3)
        closed = self.chance(0.06)
        brow = _scaled(hair, 0.9)
        for side in (-1, 1):
            x, y = face.at(0.42 * side, -0.1)
            near = 1 - 0.3 * max(0.0, face.yaw * side)
            self.paint(self.ellipse((x, y - 1), (width * 1.35 * near, width * 0.95), 4), (60, 35, 30), 0.28)
            if closed:
                self.paint(self.stroke([(x - width, y), (x, y + 4), (x + width, y)], 3), (45, 28, 24))
            else:
                white = self.ellipse((x, y), (width * near, width * opening), 0.8)
                self.paint(white, (238, 235, 230))
                pupil_at = (x + gaze * width * 0.7 + 2 * face.yaw, y - 1)
                self.paint(self.ellipse(pupil_at, (width * 0.48, width * 0.5), 0.8) * white, iris)
                self.paint(self.ellipse(pupil_at, (width * 0.22, width * 0.24), 0.6) * white, (12, 10, 10))
                glint = (pupil_at[0] + 2, pupil_at[1] - 2.5)
                self.paint(self.ellipse(glint, (1.8, 1.8), 0.5) * white, (255, 255, 255))
                turn = np.linspace(np.pi * 1.02, np.pi * 1.98, 12)
                lid = [
                    (x + width * near * 1.05 * np.cos(t), y + width * opening * 1.1 * np.sin(t)) for t in turn
                ]
                self.paint(self.stroke(lid, 3), (40, 26, 22), 0.9)
            left, middle, right = (face.at(0.42 * side + d, -0.1) for d in (-0.26, 0, 0.26))
            lift = width * 1.25
            tilt = frown * 10 * side
            arc = [(left[0], y - lift + tilt + 3), (middle[0], y - lift - 4), (right[0], y - lift - tilt + 3)]
            self.paint(self.stroke(arc, self.between(5, 8), 1.3), brow, 0.9)
        if not masked:
            self.nose(face)

    def nose(self, face: _Face) -> None:
        tip, bridge = face.at(0, 0.3), face.at(0, -0.12)
        wide = face.half_width * self.between(0.13, 0.2)
        shadow = _scaled(face.skin, 0.62)
        bright = _scaled(face.skin, 1.16)
        side = -1 if face.yaw > 0 else 1
        ridge = [(bridge[0] - side * wide * 0.5, bridge[1]), (tip[0] - side * wide * 0.95, tip[1] - 2)]
        self.paint(self.stroke(ridge, 5, 3), shadow, 0.55)
        self.paint(self.stroke([bridge, (tip[0], tip[1] - 4)], 7, 3.5), bright, 0.5)
        self.paint(self.ellipse((tip[0], tip[1] - 3), (wide * 0.6, wide * 0.5), 3), bright, 0.45)
        wings = [
            (tip[0] - wide, tip[1] - 4),
            (tip[0] - wide * 0.8, tip[1] + 5),
            (tip[0], tip[1] + 7),
            (tip[0] + wide * 0.8, tip[1] + 5),
            (tip[0] + wide, tip[1] - 4),
        ]
        self.paint(self.stroke(wings, 3, 1.5), shadow, 0.75)
        for s in (-1, 1):
            self.paint(self.ellipse((tip[0] + s * wide * 0.5, tip[1] + 4), (4, 2.4), 1), (35, 18, 16), 0.75)

    def lower_face(self, face: _Face, hair: _Colour) -> None:
        if self.chance(0.25):
            self.beard(face, hair)
        centre = face.at(0, 0.6)
        wide, full = face.half_width * self.between(0.26, 0.4), self.between(5, 9)
        smile = self.between(-4, 13)
        lip: _Colour = (
            min(255.0, face.skin[0] * 0.82 + self.between(0, 35)),
            face.skin[1] * 0.52,
            face.skin[2] * 0.54,
        )
        corners = ((centre[0] - wide, centre[1] - smile * 0.5), (centre[0] + wide, centre[1] - smile * 0.5))
        upper = [
            corners[0],
            (centre[0] - wide * 0.35, centre[1] - full),
            (centre[0], centre[1] - full * 0.6),
            (centre[0] + wide * 0.35, centre[1] - full),
            corners[1],
        ]
        gap = self.between(6, 20) if self.chance(0.35) else 0.0
        base = centre[1] + smile * 0.45 + gap
        lower = [
            (centre[0] + wide * 0.5, base + full),
            (centre[0], base + full * 1.35),
            (centre[0] - wide * 0.5, base + full),
        ]
        self.paint(self.stencil(upper + lower, 1.3), lip)
        inner = [corners[0], (centre[0], centre[1] + smile * 0.2), corners[1]]
        if gap:
            mouth = self.stencil([*inner, (centre[0] + wide * 0.5, base), (centre[0] - wide * 0.5, base)], 1)
            self.paint(mouth, (70, 22, 24))
            if self.chance(0.75):
                self.paint(mouth * (self.rows < centre[1] + gap * 0.7), (240, 236, 226))
        else:
            self.paint(self.stroke(inner, 2.5), (80, 30, 30), 0.9)
        chin = face.at(0, 0.84)
        self.paint(self.ellipse(chin, (16, 5), 4), _scaled(face.skin, 0.72), 0.4)

    def beard(self, face: _Face, hair: _Colour) -> None:
        outline = face.outline(down_from=self.between(-0.1, 0.45), grow=1.01)
        half = len(outline) // 2  # from the chin up the left side, then down the right side
        lip = [face.at(-0.5, 0.46), face.at(-0.3, 0.42), face.at(0.3, 0.42), face.at(0.5, 0.46)]
        jaw = self.stencil([*outline[:half], *lip, *outline[half:]], 3)
        grain = self.rng.normal(1, 0.25, (_CANVAS, _CANVAS)).astype(np.float32)
        self.paint(np.clip(jaw * grain, 0, 1), hair, self.between(0.35, 0.95))

    def hair(self, face: _Face, hair: _Colour) -> None:
        line = self.between(-0.62, -0.42)
        outer = [
            (
                face.x + 1.1 * face.half_width * float(np.sin(a)),
                face.y - 1.12 * face.half_height * float(np.cos(a)),
            )
            for a in np.linspace(-1.75, 1.75, 25)
        ]
        part = self.between(-0.4, 0.4)
        inner = [
            face.at(a, line + self.between(-0.04, 0.08) + 0.5 * abs(a - part) ** 2.2)
            for a in np.linspace(0.93, -0.93, 11)
        ]
        cap = self.stencil(outer + inner, 2)
        strands = self.cv2.GaussianBlur(
            self.rng.normal(0, 1, (_CANVAS, _CANVAS)).astype(np.float32), (0, 0), sigmaX=1.2, sigmaY=9
        )
        texture = np.asarray(hair, np.float32) * (1 + 1.6 * strands[..., np.newaxis])
        self.paint(cap, texture.astype(np.float32))

    def head_cover(self, face: _Face) -> None:
        colour = self.any_colour()
        turn = np.linspace(-np.pi / 2, np.pi / 2, 25)
        top = [
            (
                face.x + 1.14 * face.half_width * float(np.sin(a)),
                face.y - face.half_height * (0.38 + 0.8 * float(np.cos(a))),
            )
            for a in turn
        ]
        self.paint(self.stencil(top, 1.5), colour)
        rim = [face.at(a, -0.42 - 0.08 * (1 - a * a)) for a in np.linspace(-1.05, 1.05, 9)]
        self.paint(self.stroke(rim, 12), _scaled(colour, 0.8))

    def glasses(self, face: _Face) -> None:
        dark = self.chance(0.3)
        frame = self.pick(((20, 20, 22), (60, 40, 30), (120, 110, 100), (150, 30, 40)))
        radius = face.half_width * self.between(0.27, 0.34)
        flat = self.between(0.7, 1.0)
        for side in (-1, 1):
            x, y = face.at(0.42 * side, -0.08)
            ring = self.ellipse((x, y), (radius, radius * flat), 1)
            self.paint(ring, (28, 28, 32) if dark else (225, 235, 240), 0.92 if dark else 0.12)
            turn = np.linspace(0, 2 * np.pi, 33)
            rim = [(x + radius * float(np.cos(t)), y + radius * flat * float(np.sin(t))) for t in turn]
            self.paint(self.stroke(rim, 4), frame)
            ear = (face.x + side * face.half_width, face.y - 0.08 * face.half_height)
            self.paint(self.stroke([(x + side * radius, y), ear], 4), frame)
        left, right = face.at(-0.42, -0.1), face.at(0.42, -0.1)
        self.paint(self.stroke([(left[0] + radius, left[1]), (right[0] - radius, right[1])], 4), frame)

    # --- masks ------------------------------------------------------------------------------------------

    def mask(self, face: _Face, kind: MaskKind) -> None:
        """A mask worn as it should be: from the bridge of the nose to under the chin, cheek to cheek."""
        top, edge = self.between(0.0, 0.08), self.between(0.16, 0.26)
        upper = [face.at(a, edge - (edge - top) * (1 - abs(a) ** 1.6)) for a in np.linspace(-0.88, 0.88, 13)]
        chin, corner_angle = 1.04, 0.77
        contour = [
            (
                face.x + face.half_width * float(np.sin(a)) * (1 - face.jaw * float(np.cos(a)) ** 2),
                face.y + face.half_height * chin * float(np.cos(a)),
            )
            for a in np.linspace(corner_angle, -corner_angle, 17)
        ]
        shape = self.stencil(upper + contour, 1.2)
        colour = self._mask_colour(face, kind)
        for side, corner, lower in ((-1, upper[0], contour[-1]), (1, upper[-1], contour[0])):
            loop = _scaled(colour, 0.85) if kind != "ffp2" else (225, 205, 120)
            high = (face.x + side * face.half_width, face.y - 0.1 * face.half_height)
            low = (face.x + side * face.half_width, face.y + 0.16 * face.half_height)
            self.paint(self.stroke([corner, high], 3), loop)
            self.paint(self.stroke([lower, low], 3), loop)
        self.darken(self.stencil([(x, y - 4) for x, y in upper] + contour, 4), 0.78)
        self.paint(shape, colour)
        if kind == "cloth":
            self._pattern(shape)
        if kind in ("surgical", "yellow"):
            for down in (0.34, 0.5, 0.66):
                fold = [face.at(a, down + 0.05 * (1 - a * a)) for a in np.linspace(-0.9, 0.9, 9)]
                self.darken(self.stroke(fold, 3, 1.5) * shape, 0.8)
                lit = [(x, y + 4) for x, y in fold]
                self.paint(self.stroke(lit, 3, 1.5) * shape, (255, 255, 255), 0.22)
            band = [(x, y + 5) for x, y in upper]
            self.paint(self.stroke(band, 4, 1) * shape, (255, 255, 255), 0.3)
        else:
            seam = [face.at(0, d) for d in np.linspace(top, 0.98, 7)]
            self.darken(self.stroke(seam, 3, 1.5) * shape, 0.72)
            if kind == "ffp2":
                nose = [face.at(a, top + 0.06 + 0.16 * abs(a)) for a in np.linspace(-0.3, 0.3, 7)]
                self.paint(self.stroke(nose, 6, 1.2) * shape, (185, 190, 195), 0.85)
                for side in (-1, 1):
                    crease = [face.at(0.62 * side, 0.26), face.at(0.5 * side, 0.62), face.at(0.3 * side, 0.9)]
                    self.darken(self.stroke(crease, 3, 2) * shape, 0.82)
        # The tip of the nose lifts the cloth.
        self.paint(self.ellipse(face.at(0, 0.22), (13, 15), 8) * shape, (255, 255, 255), 0.16)
        self.darken(self.ellipse(face.at(0, 0.62), (34, 14), 12) * shape, 0.86)

    def _mask_colour(self, face: _Face, kind: MaskKind) -> _Colour:
        colours: dict[MaskKind, tuple[_Colour, ...]] = {
            "surgical": ((150, 195, 220), (120, 190, 195), (235, 240, 242), (160, 210, 190)),
            "cloth": _CLOTHS,
            "ffp2": ((240, 240, 238), (226, 228, 230)),
            "black": ((28, 28, 32), (45, 45, 52)),
            "yellow": ((235, 205, 70), (230, 180, 60), (240, 220, 120)),
            "skin": (_scaled(face.skin, 0.97),),
        }
        return self.pick(colours[kind], 10)

    def _pattern(self, shape: _Layer) -> None:
        colour, pitch = self.any_colour(), self.between(16, 30)
        angle = self.between(0, np.pi)
        u = np.cos(angle) * self.columns + np.sin(angle) * self.rows
        v = -np.sin(angle) * self.columns + np.cos(angle) * self.rows
        match int(self.rng.integers(4)):
            case 0:
                figure = (np.cos(2 * np.pi * u / pitch) + np.cos(2 * np.pi * v / pitch)) > 1.0
            case 1:
                figure = np.cos(2 * np.pi * u / pitch) > 0.2
            case 2:
                figure = (np.cos(2 * np.pi * u / pitch) > 0.4) ^ (np.cos(2 * np.pi * v / pitch) > 0.4)
            case _:
                return
        self.paint(self.cv2.GaussianBlur(figure.astype(np.float32), (0, 0), 1.0) * shape, colour, 0.8)

    # --- what may hide a bare face ----------------------------------------------------------------------

    def hand(self, face: _Face) -> None:
        """A hand held to the chin or before the mouth: the colour of skin where a mask would be."""
        side = -1 if self.chance(0.5) else 1
        skin = _scaled(face.skin, 0.95)
        dark = _scaled(face.skin, 0.6)
        root = face.at(0.75 * side, 1.05)
        palm = (root[0] + side * 8, root[1] - 6)
        wrist = [palm, (palm[0] + side * 34, 300)]
        self.paint(self.stroke(wrist, 48, 2), skin)
        self.paint(self.ellipse(palm, (34, 30), 2), skin)
        reach = self.between(0.1, 0.75)
        for finger in range(4):
            start = (palm[0] - side * 8, palm[1] - 22 + 15 * finger)
            end_across, end_down = reach - 0.75 + 0.05 * abs(finger - 1), 0.42 + 0.14 * finger
            end = face.at(-side * end_across, end_down)
            self.paint(self.stroke([start, end], 18, 2.5), dark, 0.6)
            self.paint(self.stroke([start, end], 14, 1.2), skin)
            nail = (end[0] - side * 3, end[1])
            self.paint(self.ellipse(nail, (4, 3.4), 0.8), (240, 205, 195), 0.7)

    def scarf(self, face: _Face) -> None:
        """Cloth around the neck, below the chin: colour and folds, and a mouth in plain sight."""
        colour = self.any_colour()
        chin = face.y + face.half_height
        ring = self.ellipse((face.x, chin + 34), (face.half_width * 1.15, 42), 1.5)
        self.paint(ring, colour)
        for offset in (12, 26, 42):
            fold = [
                (face.x + face.half_width * 1.1 * a, chin + offset + 12 * (1 - a * a))
                for a in np.linspace(-1, 1, 9)
            ]
            self.darken(self.stroke(fold, 4, 2) * ring, 0.7)

    # --- light and camera -------------------------------------------------------------------------------

    def shade(self, face: _Face, before: _Layer, light: tuple[float, float, float], ambient: float) -> None:
        """Light all that was drawn since ``before`` as an ellipsoid under one lamp (Lambert's law)."""
        x = (self.columns - face.x) / (face.half_width * 1.2)
        y = (self.rows - face.y) / (face.half_height * 1.2)
        z = np.sqrt(np.clip(1 - x * x - y * y, 0.02, 1))
        length = float(np.sqrt(sum(part * part for part in light)))
        facing = np.clip((x * light[0] + y * light[1] + z * light[2]) / length, 0, 1)
        drawn = (np.abs(self.layer - before).max(axis=2) > 1).astype(np.float32)
        lit = 1 + drawn * (ambient + (1.15 - ambient) * facing - 1)
        self.layer = (self.layer * lit[..., np.newaxis]).astype(np.float32)

    def photograph(self, size: int, noise: float) -> Image:
        """Tilt, framing, exposure, white balance, focus and noise of a cheap camera."""
        turn = self.cv2.getRotationMatrix2D((128, 128), self.rng.normal(0, 7), self.between(0.92, 1.12))
        turn[:, 2] += [self.between(-8, 8), self.between(-8, 8)]
        picture = self.cv2.warpAffine(
            self.layer,
            turn,
            (_CANVAS, _CANVAS),
            flags=self.cv2.INTER_LINEAR,
            borderMode=self.cv2.BORDER_REFLECT,
        )
        picture = self.cv2.resize(picture, (size, size), interpolation=self.cv2.INTER_AREA)
        if self.chance(0.3):
            picture = self.cv2.GaussianBlur(picture, (0, 0), self.between(0.4, 1.2) * size / 96)
        gain = self.between(0.65, 1.2) * np.array([self.between(0.93, 1.07) for _ in range(3)])
        picture = picture * gain + self.rng.normal(0, self.between(0, noise), picture.shape)
        return _bytes_of(picture)
