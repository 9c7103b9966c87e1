"""Walks the way of a decision in play, so that the processor and the interpreter have it at hand when a signal comes.

A decision comes after tenths of a second of sleep and runs through a thousand places of the program; found cold, it takes
four times as long. So a waking stage, when it has done its work, sends a made-up signal through a machine of its own, with
a ledger of its own, up to the door of a broker that refuses. Nothing of it can reach the real machine, the journal, the
bus, or a broker: it is given none of them. Its inputs are made up and its outputs are thrown away.
"""

from __future__ import annotations

from collections.abc import Callable

from bus.messages import MESSAGE_VERSION, TOPIC_SIGNAL, Signal, decode, encode
from bus.sockets import Heard
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
    Output,
    SendOrder,
    SignalSeen,
    Started,
    Tick,
    UpstreamSeen,
)
from execution.fast_path.fast_path import Ahead, FastPath
from execution.gateway import Command, GatewayCore
from execution.journal_format import encode_record
from execution.ledger import Ledger
from execution.machine import DECIDING, Machine
from execution.newest import unknown
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
    """`play` once per idle moment; `sent` counts those that came as far as the broker, `sent_ahead` those by the short way."""

    def __init__(self, config: Config, weights: Weights) -> None:
        self._config = config
        self._weights = weights
        self._core = GatewayCore(_NobodysBroker(), lambda: 0, lambda: None)
        self._price = config.instruments[0].tick * TICKS
        deciding = DECIDING[config.consensus.decide_on]
        self._on_signals = bool(deciding)
        self._goes_ahead = self._on_signals and config.execution.fast_path
        self._path: FastPath | None = None
        self._speaker = ML if ML in deciding else SOURCES[-1]
        self._newest = unknown(len(config.instruments))
        self._behind: tuple[Ahead, Signal] | None = None  # went the short way; the long one is to be walked
        self._left = 0
        self._number = 0
        self._now_ns = STEP_NS
        self.sent = self.sent_ahead = 0

    def play(self, market_ns: int) -> None:
        """One decision. market_ns: the real market's time, so that the hours of trading are those of now.

        Where signals decide, the long way is that of the play before: the short one, which must be the quickest, is last.
        """
        if self._left == 0:
            self._renew(market_ns)
        self._left -= 1
        self._catch_up(market_ns)
        self._number += 1
        self._now_ns += STEP_NS
        now_ns = self._now_ns
        self._show(market_ns)
        body = self._vote(self._speaker, market_ns)
        if not self._on_signals:
            self._hear(body, market_ns)
            self._take(Tick(now_ns, market_ns), market_ns)
            return
        ahead = self._find_ahead(body, market_ns)
        if ahead is None:
            self._hear(body, market_ns)
            return
        self._send(ahead.command)
        self.sent_ahead += 1
        self._behind = ahead, _signal(body)

    def _find_ahead(self, body: bytes, market_ns: int) -> Ahead | None:
        if self._path is None:
            return None
        self._path.arm(self._now_ns, market_ns)
        heard = Heard(self._speaker, TOPIC_SIGNAL, self._number, 0, body)
        return self._path.answer([heard], self._now_ns, market_ns)

    def _show(self, market_ns: int) -> None:
        """A market in which everything is well."""
        now_ns, ask = self._now_ns, self._price
        bid = ask - self._config.instruments[0].tick
        self._take(InstrumentSeen(now_ns, market_ns, 0, "", bid, ask, now_ns), market_ns)
        self._take(MarketSeen(now_ns, market_ns, 0, self._number, market_ns, now_ns, ask, bid, ask), market_ns)
        self._newest[0] = (ask, bid, ask, self._number, market_ns, now_ns, market_ns, self._number, -1)

    def _vote(self, source: str, market_ns: int) -> bytes:
        now_ns, number = self._now_ns, self._number
        return encode(
            Signal(
                MESSAGE_VERSION, source, number, 0, 0, number, market_ns, now_ns, now_ns, now_ns, 1.0, 1.0, 1_000,
                market_ns + VALID_NS,
            )
        )  # fmt: skip

    def _hear(self, body: bytes, market_ns: int) -> None:
        self._take(SignalSeen(self._now_ns, market_ns, _signal(body)), market_ns)

    def _catch_up(self, market_ns: int) -> None:
        if self._behind is None:
            return
        (ahead, signal), self._behind = self._behind, None
        for event in ahead.inputs([signal]):
            encode_record(event)
            for output in self._handle(event):
                encode_record(output)
        self._drain(market_ns)

    def _take(self, event: Input, market_ns: int) -> None:
        """As the stage does, without its journal, and with a broker that refuses."""
        encode_record(event)
        for output in self._handle(event):
            encode_record(output)
            if isinstance(output, SendOrder):
                self._send(send_command(output))
        self._drain(market_ns)

    def _send(self, command: Command) -> None:
        self._core.execute(command)
        self.sent += 1

    def _drain(self, market_ns: int) -> None:
        for report in self._core.drain():
            self._handle(send_result(report, self._now_ns, market_ns))

    def _handle(self, event: Input) -> list[Output]:
        outputs = self._machine.handle(event)
        if self._path is not None:
            self._path.after(event, outputs)
        return outputs

    def _renew(self, market_ns: int) -> None:
        config = self._config
        self._left = RENEW_AFTER
        self._behind = None
        self._core.drain()
        self._machine = Machine(config, Ledger(contracts_of(config)), RiskGate(config.risk), self._weights)
        self._path = FastPath(config, self._machine, self._newest) if self._goes_ahead else None
        for event in (
            Started(self._now_ns, market_ns, 0, config.mode),
            BrokerView(self._now_ns, market_ns, ""),
            UpstreamSeen(self._now_ns, market_ns, ""),
        ):
            self._handle(event)
        self._show(market_ns)
        for source in SOURCES:
            self._hear(self._vote(source, market_ns), market_ns)


def _signal(body: bytes) -> Signal:
    heard = decode(body)
    assert isinstance(heard, Signal)
    return heard
