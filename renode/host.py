"""Sends a picture to a firmware whose console is a TCP socket, and prints what the firmware decides.

Renode opens such a socket (renode/machine.resc); the frames are those of the host link, so
nothing here is particular to Renode. ``python renode/host.py --image FACE.png``; without a
picture a fixed pattern is sent.
"""

from __future__ import annotations

import argparse
import select
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from generator.errors import FirmcastError, TargetError, UsageError
from generator.link import Client, LinkClosedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_READ_BYTES = 65536
# Seconds of the host, in which an emulator may get far less of the target's time done.
_REQUEST_TIMEOUT_S = 20.0
_RUN_TIMEOUT_S = 240.0


class SocketTransport:
    """A serial line behind a TCP socket; a :class:`generator.link.Transport`.

    Args:
        host: name or address.
        port: TCP port.

    Raises:
        TargetError: nothing listens there.
    """

    def __init__(self, host: str, port: int) -> None:
        self._name = f"{host}:{port}"
        try:
            self._socket = socket.create_connection((host, port), timeout=10.0)
        except OSError as error:
            raise TargetError(
                f"nothing answers at {self._name}: start the emulation first ({error})"
            ) from error

    def write(self, data: bytes, /) -> None:
        """Sends all of ``data``."""
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise LinkClosedError(f"{self._name} was closed: {error}") from error

    def read(self, timeout_s: float, /) -> bytes:
        """What has come within ``timeout_s`` seconds; ``b""`` if nothing has."""
        try:
            if not select.select([self._socket], [], [], max(0.0, timeout_s))[0]:
                return b""
            data = self._socket.recv(_READ_BYTES)
        except (OSError, ValueError) as error:
            raise LinkClosedError(f"{self._name} was closed: {error}") from error
        if not data:
            raise LinkClosedError(f"{self._name} was closed by the emulator")
        return data

    def close(self) -> None:
        """Closes the socket; a second call does nothing."""
        self._socket.close()


def pattern(width: int, height: int) -> NDArray[Any]:
    """A picture that is the same everywhere: three ramps, uint8 of shape (height, width, 3)."""
    import numpy as np

    y, x = np.mgrid[0:height, 0:width]
    planes = (x * 255 // max(1, width - 1), y * 255 // max(1, height - 1), (x + y) % 256)
    return np.stack(planes, axis=-1).astype(np.uint8)


def main(arguments: list[str] | None = None) -> int:
    """Entry point; the exit code is the contract's."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=34560)
    parser.add_argument(
        "--image", default="", metavar="FILE", help="picture to send; a fixed pattern if absent"
    )
    options = parser.parse_args(arguments)
    try:
        run(options.host, options.port, options.image)
    except FirmcastError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def run(host: str, port: int, image: str) -> None:
    """Send one picture and print the device's lines and its decision."""
    transport = SocketTransport(host, port)
    with Client(
        transport, on_text=print, timeout_s=_REQUEST_TIMEOUT_S, run_timeout_s=_RUN_TIMEOUT_S
    ) as client:
        identity = client.identify()
        if not identity.takes_images:
            raise UsageError(f"the model {identity.model} takes no images")
        if image:
            from generator.imaging import read_image

            picture: NDArray[Any] = read_image(image)
        else:
            picture = pattern(identity.image_width, identity.image_height)
        client.send_image(picture)
        decision = client.classify()
        print(f"{decision.label}: {decision.score:.3f}, door {'open' if decision.door_open else 'closed'}")


if __name__ == "__main__":
    sys.exit(main())
