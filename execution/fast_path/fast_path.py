"""The short way of an entry: a signal's bytes in, an order out, before the long way has looked at them.

The long way (decode, consensus, risk, ledger) stays the only one that decides: it handles the same inputs right after, and
must say the very order that went out, field for field. So what is sent early is what would have been sent, only sooner; and
where the numbers do not surely say the same, nothing is sent early. When both ever differ, that is a defect in one of
them: the stage halts trading, in the journal, and ends, and its next start finds the order as any other.

Only entries from flat go this way, and only while nothing of ours is held or open: what protects or leaves is never early.
It owns the permits and a copy of the latest votes; the journal and the broker are its caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bus.messages import Signal
from bus.sockets import Heard
from config.schema import Config
from consensus.weights import SOURCES
from execution.events import ENTRY, NO_PRICE, Input, MarketSeen, Output, Publish, SendOrder, SignalSeen
from execution.fast_path.answer import LONG_WAY, ORDER, ROOM_BYTES, answer_signal
from execution.fast_path.arming import Permits
from execution.fast_path.permit import ABSTAINS, ANSWER, DESK, HEARD, SEES_NOTHING, VOTE, VOTERS, VOTES, Array
from execution.gateway import AGES_AS_ENTRY, SEND, Command
from execution.guardian import Quote
from execution.liquidity_advice import SEES_NOTHING as WORDS_OF_NOTHING
from execution.machine import Machine

ARM_EVERY_NS = 20_000_000  # an attempt is not repeated sooner
_NUMBERS = {source: number for number, source in enumerate(SOURCES)}


class Disagreement(RuntimeError):
    """The long way did not say what was sent."""


class Ahead(NamedTuple):
    """An entry to send now. `records`: what must stand in the journal before it; `row`: an ANSWER; ticker: of its contract."""

    records: bytes
    row: tuple[Any, ...]
    ticker: str

    @property
    def command(self) -> Command:
        """What the gateway is to do."""
        _, _, now_ns, _, symbol, *_, order, _, side, order_type, quantity, price, _, _ = self.row
        return Command(0, SEND, side, order_type, AGES_AS_ENTRY, symbol, order, quantity, price, NO_PRICE, b"", now_ns)

    @property
    def intent(self) -> SendOrder:
        """What stands in the journal."""
        _, _, now_ns, market_ns, symbol, *_, order, bracket, side, order_type, quantity, price, _, base_recv_ns = (
            self.row
        )
        return SendOrder(
            now_ns, market_ns, order, bracket, ENTRY, symbol, self.ticker, side, order_type, quantity, price, NO_PRICE,
            now_ns, base_recv_ns,
        )  # fmt: skip

    def inputs(self, signals: Sequence[Signal]) -> list[Input]:
        """What the long way must handle, as it stands in the journal. signals: those of the batch, decoded."""
        _, _, now_ns, market_ns, symbol, *market = self.row[:11]
        last = len(signals) - 1
        seen: list[Input] = [
            SignalSeen(now_ns, market_ns, signal, number != last) for number, signal in enumerate(signals)
        ]
        return [MarketSeen(now_ns, market_ns, symbol, *market), *seen]

    @property
    def symbol(self) -> int:
        return int(self.row[4])

    def check_market(self, newest: int, quote: Quote) -> None:
        """That the market which compiled code saw is the one that `market_watch` sees. Raises Disagreement.

        The machine cannot tell: it is given what stands in the journal.
        """
        seen = self.row[5:11]
        looked = (newest, quote.ts_ns, quote.recv_ns, quote.last, quote.bid, quote.ask)
        if seen != looked:
            raise Disagreement(f"the market was {looked}, and compiled code saw {seen}")

    def confirm(self, outputs: Sequence[Output]) -> list[Output]:
        """What of the long way's outputs is still to be done. Raises Disagreement."""
        if list(outputs[:1]) != [self.intent] or not all(isinstance(output, Publish) for output in outputs[1:]):
            raise Disagreement(f"sent ahead: {self.intent}; the long way says: {list(outputs)}")
        return list(outputs[1:])


class FastPath:
    """One per machine. `answer` a batch of signals; tell `after` everything that the machine handled; `arm` when idle."""

    def __init__(self, config: Config, machine: Machine, newest: Array) -> None:
        """newest: NEWEST of shape (contracts,), which the caller keeps up to date."""
        self._machine = machine
        self._newest = newest
        self._tickers = [contract.ticker for contract in machine.ledger.contracts]
        self._permits = Permits(config, machine)
        rows = self._permits.rows
        self._votes = np.zeros((len(rows), len(SOURCES)), VOTE)
        self._heard, self._answer = np.zeros(1, HEARD), np.zeros(1, ANSWER)
        self._bytes = self._answer["bytes"]
        self._out = np.zeros(ROOM_BYTES, np.uint8)
        self._desk = np.zeros(1, DESK)
        self._place = int(self._desk.ctypes.data)
        parts = rows, self._votes, newest, self._heard, self._answer, self._out
        self._desk[0] = (len(rows), *(part.ctypes.data for part in parts), len(self._out))
        self._armed = False
        self._arm_at_ns = 0
        self._answer_of(b"", 0, 0, False, 0, 0)  # numba prepares itself for a function at its first call

    def prepare(self) -> None:
        """Have the shares of every set of voters computed: none is the first of its kind then."""
        for symbol in range(len(self._votes)):
            table, _ = self._machine.council.bearing(symbol)
            for voters in range(VOTERS):
                table.of(voters)

    @property
    def armed(self) -> bool:
        """Whether permits stand."""
        return self._armed

    def arm(self, now_ns: int, market_ns: int) -> None:
        """In an idle moment: write the permits, if none stand."""
        if not self._armed and now_ns >= self._arm_at_ns:
            self._arm_at_ns = now_ns + ARM_EVERY_NS
            self._armed = self._permits.arm(now_ns, market_ns)

    def answer(self, waiting: Sequence[Heard], now_ns: int, market_ns: int) -> Ahead | None:
        """The order that these signals surely bring, or None. The caller must send it, or handle them the long way.

        waiting: all that wait, in their order; now_ns: monotonic; market_ns: market time.
        """
        if not self._armed:
            return None
        self._bytes[0] = 0
        left = len(waiting)
        for source, _, _, epoch, body in waiting:
            left -= 1
            found = self._answer_of(body, _NUMBERS[source], epoch, left > 0, now_ns, market_ns)
            if found == ORDER:
                self._armed = False
                row: tuple[Any, ...] = self._answer.item()  # type: ignore[assignment]
                return Ahead(self._out[: row[0]].tobytes(), row, self._tickers[row[4]])
            if found == LONG_WAY:
                return None
        return None

    def after(self, event: Input, outputs: Sequence[Output]) -> None:
        """The machine has handled `event`: permits that it may have changed are torn up, and votes are copied."""
        if isinstance(event, SignalSeen):
            self._copy_vote(event.signal)
        elif not isinstance(event, MarketSeen):
            self._tear()
            return
        if not all(isinstance(output, Publish) for output in outputs):
            self._tear()

    def _tear(self) -> None:
        self._permits.tear()
        self._armed = False

    def _answer_of(self, body: bytes, number: int, epoch: int, more: bool, now_ns: int, market_ns: int) -> int:
        return int(answer_signal(self._place, np.frombuffer(body, np.uint8), number, epoch, more, now_ns, market_ns))

    def _copy_vote(self, signal: Signal) -> None:
        number = _NUMBERS.get(signal.source)
        if number is None or not 0 <= signal.symbol < len(self._votes):
            return
        held = self._machine.council.latest(signal.symbol, number)
        if held is not None:
            self._votes[signal.symbol, number] = _row(held)


def _row(signal: Signal) -> tuple[Any, ...]:
    """A VOTE."""
    state = VOTES
    if signal.abstains:
        state = SEES_NOTHING if signal.abstains in WORDS_OF_NOTHING else ABSTAINS
    elif not (-1.0 <= signal.direction <= 1.0 and 0.0 <= signal.confidence <= 1.0):
        state = ABSTAINS
    return (
        signal.epoch, signal.sequence, signal.ingest_seq, signal.recv_ns, signal.direction, signal.confidence,
        signal.valid_until_ns, state,
    )  # fmt: skip
