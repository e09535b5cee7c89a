"""Sends a picture to a firmware whose console is a TCP socket, and prints what the firmware decides.

Renode opens such a socket (renode/machine.resc); the frames are those of the host link, so
nothing here is particular to Renode. ``python renode/host.py --image FACE.png``; without a
picture a fixed pattern is sent.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from generator.errors import FirmcastError, UsageError
from generator.link import Client, SocketTransport

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Seconds of the host, in which an emulator may get far less of the target's time done.
_REQUEST_TIMEOUT_S = 20.0
_RUN_TIMEOUT_S = 240.0


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
