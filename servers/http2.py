"""HTTP/2 frames (RFC 9113) and header blocks (RFC 7541), for a null server and a gRPC client."""

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import hpack
from hpack.table import HeaderTable

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, RST_STREAM, SETTINGS = 0x0, 0x1, 0x3, 0x4
PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0x6, 0x7, 0x8, 0x9

END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS = 0x1, 0x2, 0x3
INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 0x4, 0x5

PROTOCOL_ERROR, CANCEL = 0x1, 0x8

DEFAULT_WINDOW_BYTES = 65_535
DEFAULT_FRAME_BYTES = 16_384
DEFAULT_TABLE_BYTES = 4_096
MAX_WINDOW_BYTES = 2**31 - 1
LAST_STREAM_ID = 2**31 - 1

_FRAME_HEAD = struct.Struct("!IBI")  # 24 bits of length with 8 of kind, flags, stream
_SETTING = struct.Struct("!HI")

Headers = tuple[tuple[str, str], ...]


class Http2Error(ValueError):
    """The other side broke the protocol."""


class Frame(NamedTuple):
    """size_bytes is what the frame takes of the flow-control windows; payload is without padding,
    and a HEADERS payload is the whole header block."""

    kind: int
    flags: int
    stream_id: int
    payload: bytes
    size_bytes: int


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    return _FRAME_HEAD.pack(len(payload) << 8 | kind, flags, stream_id) + payload


def settings_frame(settings: Mapping[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*entry) for entry in settings.items()))


def window_update(stream_id: int, size_bytes: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream_id, size_bytes.to_bytes(4, "big"))


def parse_settings(payload: bytes) -> dict[int, int]:
    if len(payload) % _SETTING.size:
        raise Http2Error(f"expected settings of 6 bytes each, found {len(payload)} bytes.")
    return dict(_SETTING.iter_unpack(payload))


def parse_u31(payload: bytes) -> int:
    """The first 31-bit number of a payload: a window increment or a stream id."""
    if len(payload) < 4:
        raise Http2Error(f"expected a number of 4 bytes, found {len(payload)} bytes.")
    return int.from_bytes(payload[:4], "big") & MAX_WINDOW_BYTES


class FrameReader:
    """Cuts received bytes, however split, into frames."""

    def __init__(self) -> None:
        self._received = b""
        self._headers: Frame | None = None

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames completed by data; Http2Error where they cannot be frames."""
        received = self._received + data if self._received else data
        at, end = 0, len(received)
        self._received = b""
        while end - at >= _FRAME_HEAD.size:
            length = int.from_bytes(received[at : at + 3], "big")
            if length > DEFAULT_FRAME_BYTES:
                raise Http2Error(f"expected frames of at most 16384 bytes, found {length}.")
            start = at + _FRAME_HEAD.size
            if end - start < length:
                break
            at = start + length
            kind, flags = received[start - 6], received[start - 5]
            stream_id = int.from_bytes(received[start - 4 : start], "big") & LAST_STREAM_ID
            found = Frame(kind, flags, stream_id, received[start:at], length)
            if kind <= HEADERS and flags & (PADDED | PRIORITY):
                found = _without_padding(found)
            if self._headers or (kind == HEADERS and not flags & END_HEADERS):
                whole = self._continued(found)
                if whole is None:
                    continue
                found = whole
            yield found
        self._received = received[at:]

    def _continued(self, found: Frame) -> Frame | None:
        """Header blocks may come in several frames, with nothing between them."""
        if self._headers is None:
            self._headers = found
            return None
        begun = self._headers
        if found.kind != CONTINUATION or found.stream_id != begun.stream_id:
            raise Http2Error(f"expected a CONTINUATION frame, found kind {found.kind}.")
        whole = begun._replace(payload=begun.payload + found.payload)
        self._headers = None if found.flags & END_HEADERS else whole
        return whole if self._headers is None else None


def _without_padding(found: Frame) -> Frame:
    start, end = 0, len(found.payload)
    if found.flags & PADDED:
        if not found.payload:
            raise Http2Error("expected the length of the padding, found an empty frame.")
        start, end = 1, end - found.payload[0]
    if found.kind == HEADERS and found.flags & PRIORITY:
        start += 5
    if end < start:
        raise Http2Error("expected padding within its frame, found more of it.")
    return found._replace(payload=found.payload[start:end])


class HeaderDecoder:
    """Decodes the header blocks of one connection; blocks must come in the order received.

    What a block says depends on the dynamic table, which earlier blocks fill. A block that left
    the table as it was means the same as long as the table stays so: only then it is remembered.
    """

    def __init__(self) -> None:
        self._decoder = hpack.Decoder()
        self._known: dict[bytes, dict[str, str]] = {}

    def decode(self, block: bytes) -> Mapping[str, str]:
        """Header names and values (of repeated names the last)."""
        known = self._known.get(block)
        if known is not None:
            return known
        before = _state(self._decoder.header_table)
        try:
            headers = {str(name): str(value) for name, value in self._decoder.decode(block)}
        except (hpack.HPACKError, UnicodeDecodeError) as error:
            raise Http2Error(f"expected a header block, found one that {error}.") from error
        if _state(self._decoder.header_table) != before:
            self._known.clear()
        else:
            self._known[block] = headers
        return headers


class HeaderEncoder:
    """Encodes the header blocks of one connection, which must be sent in the order encoded.

    table_bytes is what the other side allows the dynamic table (its SETTINGS_HEADER_TABLE_SIZE).
    Remembers a block under the same rule as HeaderDecoder.
    """

    def __init__(self, table_bytes: int) -> None:
        self._encoder = hpack.Encoder()
        if table_bytes < DEFAULT_TABLE_BYTES:
            self._encoder.header_table_size = table_bytes
        self._known: dict[Headers, bytes] = {}

    def encode(self, headers: Headers) -> bytes:
        known = self._known.get(headers)
        if known is not None:
            return known
        before = _state(self._encoder.header_table)
        block = bytes(self._encoder.encode(headers))
        if _state(self._encoder.header_table) != before:
            self._known.clear()
        else:
            self._known[headers] = block
        return block


def _state(table: HeaderTable) -> tuple[object, ...]:
    return (table.maxsize, *table.dynamic_entries)
