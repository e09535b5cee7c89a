from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.link import FrameReader, decode_segment, encode_frame

# As in the protocol: the first byte of a payload is 0xC1 or above.
PAYLOADS = st.builds(
    lambda command, rest: bytes([command]) + rest,
    st.integers(0xC1, 0xFF),
    st.one_of(st.binary(max_size=40), st.text("\n A", max_size=300).map(str.encode), st.just(b"\n" * 254)),
)
LINES = st.text("abc ,:=~", min_size=1, max_size=20)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


CUTS = st.lists(st.integers(0, 10_000), max_size=20)


@given(payload=st.binary(min_size=1, max_size=600))
def test_a_frame_holds_its_payload_and_no_zero(payload: bytes) -> None:
    frame = encode_frame(payload)
    assert (frame[0], frame[-1]) == (0, 0)
    assert 0 not in frame[1:-1]
    assert decode_segment(frame[1:-1]) == payload


@settings(max_examples=300)
@given(
    items=st.lists(
        st.one_of(PAYLOADS, st.binary(max_size=30), LINES.map(lambda line: line.encode() + b"\n")).map(
            lambda item: (item, True)
        )
        | PAYLOADS.map(lambda item: (item, False)),
        max_size=12,
    ),
    places=CUTS,
)
def test_every_intact_frame_arrives_whatever_stands_between(
    items: list[tuple[bytes, bool]], places: list[int]
) -> None:
    stream = b"".join(item if raw else encode_frame(item) for item, raw in items)
    reader = FrameReader()
    events = [e for part in cut(stream, places) for e in reader.feed(part)] + reader.end()
    assert [e for e in events if isinstance(e, bytes)] == [item for item, raw in items if not raw]
    assert all(c.isprintable() or c in "\t\ufffd" for e in events if isinstance(e, str) for c in e)


@settings(max_examples=300)
@given(items=st.lists(st.one_of(PAYLOADS, LINES), max_size=12), places=CUTS)
def test_lines_and_frames_keep_their_order_and_every_byte(
    items: list[str | bytes], places: list[int]
) -> None:
    stream = b"".join(encode_frame(i) if isinstance(i, bytes) else i.encode() + b"\r\n" for i in items)
    reader = FrameReader()
    assert [e for part in cut(stream, places) for e in reader.feed(part)] == items
    assert reader.bad_frames == 0


@given(items=st.lists(st.one_of(PAYLOADS, LINES), max_size=12))
def test_each_item_is_there_with_its_last_byte(items: list[str | bytes]) -> None:
    reader = FrameReader()
    for item in items:
        data = encode_frame(item) if isinstance(item, bytes) else item.encode() + b"\n"
        assert [e for byte in data[:-1] for e in reader.feed(bytes([byte]))] == []
        assert reader.feed(data[-1:]) == [item]


@given(
    payloads=st.lists(PAYLOADS, min_size=1, max_size=5),
    text=st.text("xyz", min_size=2, max_size=12),
    places=CUTS,
)
def test_text_before_a_frame_is_not_torn(payloads: list[bytes], text: str, places: list[int]) -> None:
    half = len(text) // 2
    stream = text[:half].encode() + b"".join(map(encode_frame, payloads)) + text[half:].encode() + b"\n"
    reader = FrameReader()
    assert [e for part in cut(stream, places) for e in reader.feed(part)] == [*payloads, text]


@given(payloads=st.lists(PAYLOADS, min_size=1, max_size=6), places=CUTS)
def test_one_delimiter_between_two_frames_is_enough(payloads: list[bytes], places: list[int]) -> None:
    stream = b"\0" + b"".join(encode_frame(p)[1:] for p in payloads)
    reader = FrameReader()
    assert [e for part in cut(stream, places) for e in reader.feed(part)] == payloads


def test_a_lost_delimiter_costs_no_other_frame() -> None:
    frames = [encode_frame(bytes([0xC1, i, 0])) for i in range(3)]
    reader = FrameReader()
    assert reader.feed(frames[0][:-1] + frames[1]) == [b"\xc1\0\0", b"\xc1\1\0"]
    assert reader.feed(frames[0][:-2] + frames[2]) == [b"\xc1\2\0"]
    assert reader.bad_frames == 1


def test_an_endless_frame_becomes_text_after_a_line() -> None:
    reader = FrameReader(max_payload_bytes=100)
    assert reader.feed(b"\0" + b"\xff" * 5000 + b"rest of a line\nfirst\nsecond") == ["first"]
    assert reader.feed(b" line\n" + encode_frame(b"\xc1after")) == ["second line", b"\xc1after"]
    assert reader.bad_frames == 1


@pytest.mark.parametrize("size", [100, 246, 249, 250, 504])
def test_the_longest_payload_is_not_taken_for_endless(size: int) -> None:
    payload = b"\xc1" + b"\x01" * (size - 1)
    reader = FrameReader(max_payload_bytes=size)
    assert [e for byte in encode_frame(payload) for e in reader.feed(bytes([byte]))] == [payload]


def test_quiet_gives_a_cut_frame_up() -> None:
    reader = FrameReader()
    assert reader.feed(encode_frame(b"\xc1payload")[:-3]) == []
    assert reader.quiet() == []
    assert reader.feed(b"reset\n") == ["reset"]
    assert reader.bad_frames == 1


def test_an_empty_line_behind_a_frame_comes_with_the_next_byte_or_after_quiet() -> None:
    reader = FrameReader()
    assert reader.feed(encode_frame(b"\xc1") + b"\n") == [b"\xc1"]
    assert reader.feed(b"a") == [""]
    assert reader.feed(b"\n" + encode_frame(b"\xc1") + b"\n") == ["a", b"\xc1"]
    assert reader.quiet() == [""]


def test_end_gives_an_unfinished_line() -> None:
    reader = FrameReader()
    assert reader.feed(b"panic: no st") == []
    assert reader.end() == ["panic: no st"]
    assert reader.end() == []


def test_a_line_without_end_comes_in_pieces() -> None:
    reader = FrameReader()
    events = [e for _ in range(100) for e in reader.feed(b"x" * 1000)] + reader.end()
    assert max(len(e) for e in events) <= 4096
    assert sum(len(e) for e in events) == 100_000


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert FrameReader().feed(b"\x1b[2Jok\xff\tcaf\xc3\xa9\r\n") == ["\ufffd[2Jok\ufffd\tcafé"]
