"""The records that must stand in the journal before an order that goes out early, written in compiled code.

Field by field and in the order of `execution.events`. A part of `answer`.
"""

from __future__ import annotations

import numpy as np

from execution.events import ENTRY, NO_PRICE
from execution.fast_path import wire
from execution.journal_format import KIND_INPUT, KIND_LEDGER
from shm.jit import inline

_NO_PRICE = float(NO_PRICE)
_MARKET_SEEN, _SIGNAL_SEEN, _SEND_ORDER, _ENTRY = (
    np.frombuffer(name.encode(), np.uint8) for name in ("MarketSeen", "SignalSeen", "SendOrder", ENTRY)
)


@inline
def _put_stamps(out, at, answer):  # type: ignore[no-untyped-def]
    return wire.put_int(out, wire.put_int(out, at, answer.monotonic_ns), answer.market_ns)


@inline
def put_market(out, answer):  # type: ignore[no-untyped-def]
    at = wire.begin_record(out, answer.bytes, 9, _MARKET_SEEN)
    at = _put_stamps(out, at, answer)
    at = wire.put_int(out, at, answer.symbol)
    at = wire.put_int(out, at, answer.ingest_seq)
    at = wire.put_int(out, at, answer.ts_ns)
    at = wire.put_int(out, at, answer.recv_ns)
    at = wire.put_float(out, at, answer.last)
    at = wire.put_float(out, at, answer.bid)
    at = wire.put_float(out, at, answer.ask)
    answer.bytes = wire.end_record(out, answer.bytes, at, KIND_INPUT)


@inline
def put_signal(out, answer, message, more):  # type: ignore[no-untyped-def]
    at = wire.begin_record(out, answer.bytes, 4, _SIGNAL_SEEN)
    at = _put_stamps(out, at, answer)
    at = wire.put_message(out, at, message)
    out[at] = 0xC3 if more else 0xC2
    answer.bytes = wire.end_record(out, answer.bytes, at + 1, KIND_INPUT)


@inline
def put_intent(out, answer, permit):  # type: ignore[no-untyped-def]
    at = wire.begin_record(out, answer.bytes, 14, _SEND_ORDER)
    at = _put_stamps(out, at, answer)
    at = wire.put_int(out, at, permit.order)
    at = wire.put_int(out, at, permit.bracket)
    at = wire.put_text(out, at, _ENTRY, len(_ENTRY))
    at = wire.put_int(out, at, answer.symbol)
    at = wire.put_text(out, at, permit.ticker, permit.ticker_bytes)
    at = wire.put_int(out, at, answer.side)
    at = wire.put_int(out, at, permit.order_type)
    at = wire.put_int(out, at, answer.quantity)
    at = wire.put_float(out, at, answer.price)
    at = wire.put_float(out, at, _NO_PRICE)
    at = wire.put_int(out, at, answer.monotonic_ns)
    at = wire.put_int(out, at, answer.base_recv_ns)
    answer.bytes = wire.end_record(out, answer.bytes, at, KIND_LEDGER)
