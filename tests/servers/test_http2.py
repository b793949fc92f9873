"""Frames and header blocks, against the hpack library and by hand."""

import hpack
import pytest

from servers import http2

ANSWER = [(":status", "200"), ("content-type", "application/grpc")]


def test_a_frame_is_length_kind_flags_stream_and_payload() -> None:
    found = http2.frame(http2.DATA, http2.END_STREAM, 5, b"abc")
    assert found == b"\x00\x00\x03\x00\x01\x00\x00\x00\x05abc"


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_frames_are_found_however_the_bytes_are_split(step: int) -> None:
    sent = [(http2.DATA, 0, 1, b"x" * 300), (http2.PING, http2.ACK, 0, b"12345678")]
    stream = b"".join(http2.frame(*each) for each in sent)
    reader = http2.FrameReader()
    found = [
        frame[:4]
        for start in range(0, len(stream), step)
        for frame in reader.feed(stream[start : start + step])
    ]
    assert found == sent


def test_padding_counts_for_the_window_and_is_no_content() -> None:
    padded = http2.frame(http2.DATA, http2.PADDED, 1, b"\x02abzz")
    (frame,) = http2.FrameReader().feed(padded)
    assert (frame.payload, frame.size_bytes) == (b"ab", 5)


@pytest.mark.parametrize(
    "stream",
    [
        b"\xff\xff\xff" + bytes(6),
        http2.frame(http2.DATA, http2.PADDED, 1, b"\x09ab"),
        http2.frame(http2.HEADERS, 0, 1, b"a") + http2.frame(http2.DATA, 0, 1, b"b"),
        http2.frame(http2.HEADERS, 0, 1, b"a") + http2.frame(http2.CONTINUATION, 4, 3, b"b"),
    ],
    ids=["too large", "more padding than frame", "no continuation", "another stream's"],
)
def test_what_cannot_be_frames_is_refused(stream: bytes) -> None:
    with pytest.raises(http2.Http2Error, match="expected"):
        list(http2.FrameReader().feed(stream))


def test_a_block_that_means_something_new_is_decoded_anew() -> None:
    encoder, decoder = hpack.Encoder(), http2.HeaderDecoder()
    decoder.decode(encoder.encode([("a", "1")]))
    same_bytes = encoder.encode([("a", "1")])
    assert decoder.decode(same_bytes) == {"a": "1"}
    assert decoder.decode(same_bytes) == {"a": "1"}
    # The new entry takes the place, and so the bytes, of the one before.
    decoder.decode(encoder.encode([("b", "2")]))
    assert encoder.encode([("b", "2")]) == same_bytes
    assert decoder.decode(same_bytes) == {"b": "2"}


def test_long_streams_of_changing_headers_stay_in_step_with_the_encoder() -> None:
    # Values large enough to evict: the table of 4,096 bytes turns over many times.
    encoder, decoder = hpack.Encoder(), http2.HeaderDecoder()
    for number in range(2000):
        headers = {"x-a": "v" * (number % 300), f"x-{number % 5}": str(number % 11), "x-b": "same"}
        assert decoder.decode(encoder.encode(list(headers.items()))) == headers


def test_two_header_lists_of_one_encoder_do_not_spoil_each_other() -> None:
    encoder, decoder = http2.HeaderEncoder(http2.DEFAULT_TABLE_BYTES), hpack.Decoder()
    lists = [(("x-a", "1"), ("x-b", "2")), (("x-c", "3"),), (("x-a", "1"), ("x-d", "4"))]
    for number in (0, 0, 0, 1, 1, 0, 0, 2, 2, 1, 0, 2, 1, 0):  # each known before the next is new
        headers = lists[number]
        assert tuple(decoder.decode(encoder.encode(headers))) == headers


def test_a_block_that_breaks_the_rules_is_refused() -> None:
    with pytest.raises(http2.Http2Error, match="expected a header block"):
        http2.HeaderDecoder().decode(b"\xff\xff\xff\xff\xff\x0f")
