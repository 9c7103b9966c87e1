"""What a person's words do (`events.WORDS`). Each does no harm when it is said twice.

It stands apart because people are another source of commands than decisions and reports. A word never passes the gate
by: what it brings about goes the way of every other order.
"""

from __future__ import annotations

from execution.broker_side import BrokerSide
from execution.desk import Desk
from execution.events import (
    ADOPT,
    CANCEL_FOREIGN,
    IGNORE,
    STOP_WORD,
    WORDS,
    CancelForeign,
    Operator,
    OrderIgnored,
)
from execution.ledger import Ledger
from execution.outbox import Outbox
from execution.risk.states import MOVES, move_of
from execution.steering import Steering
from execution.warden import Warden


class OperatorWords:
    """Carries words out on the machine's parts."""

    def __init__(
        self,
        ledger: Ledger,
        desk: Desk,
        outbox: Outbox,
        steering: Steering,
        broker_side: BrokerSide,
        warden: Warden,
    ) -> None:
        self._ledger = ledger
        self._desk = desk
        self._outbox = outbox
        self._steering = steering
        self._broker_side = broker_side
        self._warden = warden

    def say(self, event: Operator) -> None:
        if event.word not in WORDS:
            self._outbox.note("error", f"nobody knows the word {event.word!r}; there are {', '.join(WORDS)}")
            return
        state = self._ledger.trading
        self._outbox.apply(event)
        self._outbox.note("warning", f"told to {event.word}: {WORDS[event.word]}")
        if (state, event.word) in MOVES:
            self._warden.follow(event, move_of(state, event.word).flatten, event.word)
        if event.word == STOP_WORD:
            self._desk.closing = "the stage is stopping"
            self._steering.stop(event)
        if event.word in (IGNORE, CANCEL_FOREIGN):
            self._decide_foreign(event)
        if event.word == ADOPT:
            self._broker_side.adopt(event.monotonic_ns)

    def _decide_foreign(self, event: Operator) -> None:
        """Every open order that is not ours and that the last view can name."""
        named = [report.cl_order_id for report in self._broker_side.foreign if report.cl_order_id]
        if not named:
            self._outbox.note("warning", f"{event.word}: the broker's last list has no open order that is not ours")
        for name in named:
            if event.word == IGNORE:
                self._outbox.emit(OrderIgnored(event.market_ns, name))
            else:
                self._outbox.emit(CancelForeign(event.monotonic_ns, event.market_ns, name))
        self._broker_side.ask(event.monotonic_ns, event.word)
