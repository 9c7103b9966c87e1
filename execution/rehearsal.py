"""Walks the way of a decision in play, so that the processor and the interpreter have it at hand when a signal comes.

A decision comes after tenths of a second of sleep and runs through a thousand places of the program; found cold, it takes
four times as long. So a waking stage, when it has done its work, sends a made-up signal through a machine of its own, with
a ledger of its own, up to the door of a broker that refuses. Nothing of it can reach the real machine, the journal, the
bus, or a broker: it is given none of them. Its inputs are made up and its outputs are thrown away.
"""

from __future__ import annotations

from collections.abc import Callable

from bus.messages import MESSAGE_VERSION, Signal, decode, encode
from config.schema import Config
from consensus.weights import ML, SOURCES, Weights
from execution.broker import BrokerError, BrokerOrder
from execution.contracts import contracts_of
from execution.events import (
    BrokerPosition,
    BrokerView,
    Input,
    InstrumentSeen,
    MarketSeen,
    SendOrder,
    SignalSeen,
    Started,
    Tick,
    UpstreamSeen,
)
from execution.gateway import GatewayCore
from execution.journal_format import encode_record
from execution.ledger import Ledger
from execution.machine import DECIDING, Machine
from execution.risk.gate import RiskGate
from execution.translate import send_command, send_result

RENEW_AFTER = 64  # rehearsals of one machine: it remembers every order, and a day's limits come near
STEP_NS = 60_000_000_000  # of its own monotonic time between two, so that no rate limit stands in the way
VALID_NS = 3600 * 1_000_000_000
TICKS = 10_000


class _NobodysBroker:
    """Refuses everything."""

    def __init__(self) -> None:
        self.entering: Callable[[], None] = lambda: None
        self.session_losses = 0

    def send(self, symbol: int, side: int, order_type: int, quantity: int, price: float, stop_price: float) -> int:
        self.entering()
        raise BrokerError("a rehearsal")

    def cancel(self, cl_order_id: str) -> None:
        raise BrokerError("a rehearsal")

    def order_details(self, local_id: int, cl_order_id: str) -> BrokerOrder | None:
        raise BrokerError("a rehearsal")

    def orders(self) -> list[BrokerOrder]:
        raise BrokerError("a rehearsal")

    def positions(self) -> list[BrokerPosition]:
        raise BrokerError("a rehearsal")

    def problem(self) -> str:
        return "a rehearsal"

    def close(self) -> None:
        return


class Rehearsal:
    """`play` once per idle moment; `sent` counts those that came as far as the broker."""

    def __init__(self, config: Config, weights: Weights) -> None:
        self._config = config
        self._weights = weights
        self._core = GatewayCore(_NobodysBroker(), lambda: 0, lambda: None)
        self._price = config.instruments[0].tick * TICKS
        deciding = DECIDING[config.consensus.decide_on]
        self._on_signals = bool(deciding)
        self._speaker = ML if ML in deciding else SOURCES[-1]
        self._left = 0
        self._number = 0
        self._now_ns = STEP_NS
        self.sent = 0

    def play(self, market_ns: int) -> None:
        """One decision. market_ns: the real market's time, so that the hours of trading are those of now."""
        if self._left == 0:
            self._renew(market_ns)
        self._left -= 1
        self._number += 1
        self._now_ns += STEP_NS
        now_ns = self._now_ns
        self._show(market_ns)
        self._take(self._vote(self._speaker, market_ns), now_ns, market_ns)
        if not self._on_signals:
            self._take(Tick(now_ns, market_ns), now_ns, market_ns)

    def _show(self, market_ns: int) -> None:
        """A market in which everything is well."""
        now_ns, ask = self._now_ns, self._price
        bid = ask - self._config.instruments[0].tick
        self._take(InstrumentSeen(now_ns, market_ns, 0, "", bid, ask, now_ns), now_ns, market_ns)
        market = MarketSeen(now_ns, market_ns, 0, self._number, market_ns, now_ns, ask, bid, ask)
        self._take(market, now_ns, market_ns)

    def _vote(self, source: str, market_ns: int) -> SignalSeen:
        now_ns, number = self._now_ns, self._number
        signal = Signal(
            MESSAGE_VERSION, source, number, 0, 0, number, market_ns, now_ns, now_ns, now_ns, 1.0, 1.0, 1_000,
            market_ns + VALID_NS,
        )  # fmt: skip
        heard = decode(encode(signal))
        assert isinstance(heard, Signal)
        return SignalSeen(now_ns, market_ns, heard)

    def _take(self, event: Input, now_ns: int, market_ns: int) -> None:
        """As the stage does, without its journal, and with a broker that refuses."""
        encode_record(event)
        for output in self._machine.handle(event):
            encode_record(output)
            if isinstance(output, SendOrder):
                self._core.execute(send_command(output))
        for report in self._core.drain():
            self.sent += 1
            self._machine.handle(send_result(report, now_ns, market_ns))

    def _renew(self, market_ns: int) -> None:
        config = self._config
        self._left = RENEW_AFTER
        self._machine = Machine(config, Ledger(contracts_of(config)), RiskGate(config.risk), self._weights)
        for event in (
            Started(self._now_ns, market_ns, 0, config.mode),
            BrokerView(self._now_ns, market_ns, ""),
            UpstreamSeen(self._now_ns, market_ns, ""),
        ):
            self._machine.handle(event)
        self._show(market_ns)
        for source in SOURCES:
            self._take(self._vote(source, market_ns), self._now_ns, market_ns)
