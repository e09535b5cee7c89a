"""The console as a serial line, as a pseudo-terminal, and the speed of an inference."""

from __future__ import annotations

import os
import select
import threading
import time
import tty

from emulator_build import machine, needs_compiler
from test_peripherals import ECHO

from generator.emulator import EmulatedSerial, StopReason, serve_pty

pytestmark = needs_compiler


def test_serial_line() -> None:
    line = EmulatedSerial(machine(ECHO))
    assert line.read(5) == b"ready\n"
    assert line.read(5) == b""
    line.write(b"q")
    assert line.read(5) == b"Q"
    line.close()


def test_read_comes_back_while_the_firmware_is_busy() -> None:
    line = EmulatedSerial(machine("volatile uint32_t n; int main(void) { for (;;) n++; }"))
    start = time.monotonic()
    assert line.read(0.2) == b""
    assert 0.2 <= time.monotonic() - start < 3


def test_pseudo_terminal() -> None:
    subject = machine(ECHO)
    path: list[str] = []
    announced, done = threading.Event(), threading.Event()
    received = b""

    def announce(name: str) -> None:
        path.append(name)
        announced.set()

    server = threading.Thread(target=serve_pty, args=(subject, announce), kwargs={"until": done.is_set})
    server.start()
    try:
        assert announced.wait(5)
        terminal = os.open(path[0], os.O_RDWR | os.O_NOCTTY)
        tty.setraw(terminal)
        os.write(terminal, b"abc\x00\x03")
        deadline = time.monotonic() + 10
        while len(received) < 11 and time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.5)[0]:
                received += os.read(terminal, 100)
        os.close(terminal)
    finally:
        done.set()
        server.join(10)
    assert received == b"ready\nABC\x20\x23"
    assert not server.is_alive()


MACS = """
static int8_t weights[256], inputs[256]; volatile int32_t result;
__attribute__((noipa)) int32_t dot(const int8_t *a, const int8_t *b, int32_t n) {
    int32_t sum = 0; for (int32_t i = 0; i < n; i++) sum += a[i] * b[i]; return sum; }
int main(void) {
    for (int i = 0; i < 256; i++) { weights[i] = (int8_t)i; inputs[i] = (int8_t)(3 * i); }
    for (int k = 0; k < 45000; k++) result += dot(weights, inputs, 256);
    return 0; }
"""


def test_an_inference_takes_no_patience() -> None:
    subject = machine(MACS)
    start = time.process_time()
    assert subject.run() is StopReason.HALTED
    seconds = time.process_time() - start
    assert subject.instructions > 50_000_000
    expected = 45000 * sum(_s8(i) * _s8(3 * i) for i in range(256))
    raw = subject.read_memory(subject.image.symbols["result"].address, 4)
    assert int.from_bytes(raw, "little") == expected & 0xFFFFFFFF
    print(f"{subject.instructions} instructions in {seconds:.2f} s")
    assert seconds < 4  # about 1 s on an idle machine


def _s8(value: int) -> int:
    return (value + 128) % 256 - 128
