"""A signal's bytes as compiled code reads them, held to the codec; and the records it writes, held to the journal's."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.messages import BadMessage, Signal, decode, encode
from consensus.weights import SOURCES
from execution.fast_path.permit import ABSTAINS, HEARD, SEES_NOTHING, VOTES
from execution.fast_path.wire import put_float, put_int, read_signal
from execution.liquidity_advice import SEES_NOTHING as WORDS_OF_NOTHING
from shm.jit import kernel

from numba import from_dtype, types  # isort: skip

_bytes = types.Array(types.uint8, 1, "C", readonly=True)
_room = types.Array(types.uint8, 1, "C")


@kernel(types.boolean(_bytes, types.Array(from_dtype(HEARD), 1, "C")))
def _read(data, heard):  # type: ignore[no-untyped-def]
    return read_signal(data, heard[0])


@kernel(types.int64(_room, types.int64))
def _put_int(out, value):  # type: ignore[no-untyped-def]
    return put_int(out, 0, value)


@kernel(types.int64(_room, types.float64))
def _put_float(out, value):  # type: ignore[no-untyped-def]
    return put_float(out, 0, value)


def read(body: bytes) -> dict[str, Any] | None:
    """What compiled code understands, or None."""
    heard = np.zeros(1, HEARD)
    if not _read(np.frombuffer(body, np.uint8), heard):
        return None
    return dict(zip(HEARD.names or (), heard.item(), strict=True))


whole = st.integers(-1, (1 << 62) - 1)
words = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Z"]), max_size=40)
signals = st.builds(
    Signal,
    st.just(1), st.sampled_from(SOURCES), *[whole] * 8, st.floats(-1.0, 1.0), st.floats(0.0, 1.0), whole, whole,
    st.lists(words, max_size=15).map(tuple), st.one_of(st.just(""), st.sampled_from(sorted(WORDS_OF_NOTHING)), words),
)  # fmt: skip


def said(signal: Signal) -> dict[str, Any]:
    """What must be understood of it."""
    state = VOTES
    if signal.abstains:
        state = SEES_NOTHING if signal.abstains in WORDS_OF_NOTHING else ABSTAINS
    return {
        "symbol": signal.symbol, "number": SOURCES.index(signal.source), "epoch": signal.epoch,
        "sequence": signal.sequence, "ingest_seq": signal.ingest_seq, "recv_ns": signal.recv_ns,
        "direction": signal.direction, "confidence": signal.confidence, "valid_until_ns": signal.valid_until_ns,
        "state": state,
    }  # fmt: skip


@given(signals)
def test_every_signal_of_the_codec_is_understood(signal: Signal) -> None:
    assert read(encode(signal)) == said(signal)


@settings(max_examples=600)
@given(signals, st.data())
def test_what_is_understood_says_the_same_to_the_codec(signal: Signal, data: st.DataObject) -> None:
    """Some bytes changed, cut off or added: either nobody understands it so, or both understand the same."""
    body = bytearray(encode(signal))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body) - 1))
        match data.draw(st.sampled_from(["change", "cut", "add", "drop"])):
            case "change":
                body[place] = data.draw(st.integers(0, 255))
            case "cut":
                del body[max(1, place) :]
            case "add":
                body.insert(place, data.draw(st.integers(0, 255)))
            case "drop" if len(body) > 1:
                del body[place]
    understood = read(bytes(body))
    if understood is None:
        return
    message = decode(bytes(body))
    assert isinstance(message, Signal)
    assert understood == said(message)


@pytest.mark.parametrize(
    "changes",
    [
        {"direction": 1.0000001}, {"direction": math.nan}, {"confidence": -0.1}, {"confidence": math.nan}, {"version": 2},
        {"source": "nobody"}, {"source": "mlx"}, {"source": ""}, {"sequence": -2}, {"sequence": 1 << 62},
        {"epoch": -(1 << 40)}, {"ts_ns": 1 << 63}, {"patterns": ("ç",)}, {"abstains": "não"}, {"patterns": ("a",) * 16},
        {"abstains": "x" * 256},
    ],
)  # fmt: skip
def test_what_is_out_of_its_range_or_unusual_is_not_understood(changes: dict[str, Any]) -> None:
    signal = Signal(1, "ml", 1, 1, 0, 1, 1, 1, 1, 1, 0.5, 0.5, 1_000, 1)
    assert read(encode(signal)) is not None
    assert read(encode(msgspec.structs.replace(signal, **changes))) is None


def test_bytes_that_are_no_signal_are_not_understood() -> None:
    for body in (b"", b"\xdc", b"\xdc\x00\x11", b"\xdc\x00\x11\xa6signal", bytes(300), b"\xff" * 300):
        assert read(body) is None
    whole = encode(Signal(1, "ml", 1, 1, 0, 1, 1, 1, 1, 1, 0.5, 0.5, 1_000, 1))
    for end in range(len(whole)):
        assert read(whole[:end]) is None
        with pytest.raises(BadMessage):
            decode(whole[:end])
    assert read(whole + b"\x00") is None


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_whole_numbers_are_written(value: int) -> None:
    out = np.zeros(16, np.uint8)
    assert msgspec.msgpack.decode(out[: _put_int(out, value)].tobytes()) == value


@given(st.floats())
def test_floats_are_written_bit_for_bit(value: float) -> None:
    out = np.zeros(16, np.uint8)
    written = out[: _put_float(out, value)].tobytes()
    assert written == msgspec.msgpack.encode(value)
