"""One compiled call for each signal: read it, and when an entry follows, write the records that must stand before it.

What it writes is what the long way would journal: the market it looked at, the signals of the batch, and the intent. It
writes nothing that counts before it answers ORDER; its caller throws away the rest.
"""

from __future__ import annotations

import math

import numpy as np

from consensus.weights import SOURCES
from execution.events import BUY, NO_PRICE
from execution.fast_path import gate, records, verdict, wire
from execution.fast_path.permit import ANSWER, DESK, HEARD, PERMIT, VOTE, VOTES
from execution.newest import NEWEST, STALE_BOOK_NS
from shm.atomics import at
from shm.jit import inline, kernel

from numba import carray, types  # isort: skip  (after shm.jit, which places the cache)

LONG_WAY, TAKEN, ORDER = 0, 1, 2
_NO_PRICE = float(NO_PRICE)
ROOM_BYTES = 64 * 1024  # for the records of one batch
_RECORDS_BYTES = 1024  # more than all records of a batch but its signals


@inline
def _is_newer(row, heard):  # type: ignore[no-untyped-def]
    """By `votes.VoteBook.take`."""
    return row.state == 0 or heard.epoch > row.epoch or (heard.epoch == row.epoch and heard.sequence > row.sequence)


@inline
def _keep(row, heard):  # type: ignore[no-untyped-def]
    row.epoch, row.sequence, row.ingest_seq, row.recv_ns = heard.epoch, heard.sequence, heard.ingest_seq, heard.recv_ns
    row.direction, row.confidence = heard.direction, heard.confidence
    row.valid_until_ns, row.state = heard.valid_until_ns, heard.state


@inline
def _known(price):  # type: ignore[no-untyped-def]
    return price if price == price else np.nan


@inline
def _look(answer, newest):  # type: ignore[no-untyped-def]
    """By `market_watch.MarketWatch.look`."""
    answer.ingest_seq, answer.ts_ns, answer.recv_ns = newest.ingest_seq, newest.ts_ns, newest.recv_ns
    answer.last, answer.bid, answer.ask = _known(newest.last), _known(newest.bid), _known(newest.ask)
    if newest.ts_ns - newest.book_ts_ns > STALE_BOOK_NS:
        answer.bid = answer.ask = np.nan


@inline
def _is_entry(permit, votes, answer):  # type: ignore[no-untyped-def]
    """Whether these votes enter, and everything lets them; the numbers of the order stand in `answer` then."""
    if answer.market_ns <= 0:
        return False
    voters = verdict.voters_of(votes, answer.market_ns)
    total = verdict.total_of(votes, permit, voters)
    answer.side, size = verdict.side_of(votes, permit, voters, total)
    if answer.side <= 0:
        return False
    answer.quantity = verdict.quantity_of(votes, permit, voters, total, answer.side, size)
    answer.base_recv_ns = votes[verdict.newest_of(votes, voters)].recv_ns
    touch = answer.ask if answer.side == BUY else answer.bid
    if permit.at_market:
        answer.price, answer.reference_price = _NO_PRICE, touch
    else:
        answer.price = answer.reference_price = gate.entry_price(permit, answer.side, answer.bid, answer.ask)
    return math.isfinite(answer.reference_price) and gate.lets_pass(permit, answer)


@kernel(
    types.int64(
        types.uintp, types.Array(types.uint8, 1, "C", readonly=True), types.int64, types.int64, types.boolean, types.int64,
        types.int64,
    )
)  # fmt: skip
def answer_signal(place, message, number, epoch, more, now_ns, market_ns):  # type: ignore[no-untyped-def]
    """LONG_WAY, TAKEN (another signal follows), or ORDER.

    place: address of a DESK, in whose ANSWER `bytes` is 0 for the first of a batch; message: a signal's bytes; number, epoch:
    of its source, as its key and its frame say; more: another of the batch follows; now_ns, market_ns: monotonic and market
    time, the same for a batch.
    """
    desk = carray(at(place), 1, DESK)[0]
    heard = carray(at(np.uint64(desk.heard)), 1, HEARD)[0]
    answer = carray(at(np.uint64(desk.answer)), 1, ANSWER)[0]
    out = carray(at(np.uint64(desk.out)), desk.room, np.uint8)
    if not wire.read_signal(message, heard) or heard.number != number or heard.epoch != epoch:
        return LONG_WAY
    symbol = heard.symbol
    if symbol < 0 or symbol >= desk.contracts:
        return LONG_WAY
    if answer.bytes > 0 and symbol != answer.symbol:
        return LONG_WAY  # one batch, one contract
    permit = carray(at(np.uint64(desk.permits)), desk.contracts, PERMIT)[symbol]
    votes = carray(at(np.uint64(desk.votes)), (desk.contracts, len(SOURCES)), VOTE)[symbol]
    if not permit.armed or not _is_newer(votes[number], heard):
        return LONG_WAY
    if answer.bytes + len(message) + _RECORDS_BYTES > len(out):
        return LONG_WAY
    if answer.bytes == 0:
        answer.monotonic_ns, answer.market_ns, answer.symbol, answer.asked = now_ns, market_ns, symbol, 0
        _look(answer, carray(at(np.uint64(desk.newest)), desk.contracts, NEWEST)[symbol])
        records.put_market(out, answer)
    _keep(votes[number], heard)
    records.put_signal(out, answer, message, more)
    if permit.deciding >> number & 1 and heard.state == VOTES:
        answer.asked = 1
    if more:
        return TAKEN
    if not answer.asked or not _is_entry(permit, votes, answer):
        return LONG_WAY
    permit.armed = 0
    answer.order, answer.bracket, answer.order_type = permit.order, permit.bracket, permit.order_type
    records.put_intent(out, answer, permit)
    return ORDER
