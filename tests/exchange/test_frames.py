"""Cutting a batch into the frames of one client, against the obvious way."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange import frames, protocol
from exchange.market import KIND_BOOK, KIND_TRADE, Batch
from exchange.session import Pieces

SYMBOLS = 3
event = st.tuples(st.sampled_from((KIND_TRADE, KIND_BOOK)), st.integers(0, SYMBOLS - 1))


def batch_of(events: list[tuple[int, int]]) -> Batch:
    trades = frames.trade_frames(sum(kind == KIND_TRADE for kind, _ in events))
    books = frames.book_frames(len(events) - len(trades))
    at = [0, 0]
    for number, (kind, symbol) in enumerate(events, start=1):
        body = (trades, books)[kind]["body"][at[kind]]
        body["index"], body["ts_ns"] = symbol, number
        at[kind] += 1
    kinds = np.array([kind for kind, _ in events], np.uint8)
    return Batch(kinds, np.array([symbol for _, symbol in events], np.int32), trades, books, (), 0)


def obvious(batch: Batch, wanted: np.ndarray, name: int | None) -> bytes:
    out, at = b"", [0, 0]
    for kind, symbol in zip(batch.kinds.tolist(), batch.symbols.tolist(), strict=True):
        frame = (batch.trades, batch.books)[kind][at[kind] : at[kind] + 1].copy()
        at[kind] += 1
        if wanted[kind, symbol]:
            if name is not None:
                frame["body"]["index"] = name
            out += frame.tobytes()
    return out


@settings(max_examples=200, deadline=None)
@given(
    st.lists(event, max_size=30),
    st.lists(st.booleans(), min_size=2 * SYMBOLS, max_size=2 * SYMBOLS),
    st.none() | st.integers(0, 70_000),
)
def test_frames_of_a_client(events, wanted, name):
    batch = batch_of(events)
    mask = np.array(wanted).reshape(2, SYMBOLS)
    pieces = Pieces(batch)
    got = pieces.of(mask, name)
    assert bytes(got) == obvious(batch, mask, name)
    assert pieces.of(mask.copy(), name) is got, "made once for all who want the same"
    assert bytes(pieces.of(~mask, name)) == obvious(batch, ~mask, name)


def test_a_frame_s_index_is_the_first_field_of_its_body():
    for body in (protocol.TRADE_BODY, protocol.BOOK_BODY):
        assert body.fields is not None
        assert body.fields["index"] == (np.dtype("<i4"), 0)
