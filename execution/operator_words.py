"""What a person's words do (`events.WORDS`). Each does no harm when it is said twice.

It stands apart because people are another source of commands than decisions and reports. A word never passes the gate
by: what it brings about goes the way of every other order.
"""

from __future__ import annotations

from execution.adoption import adopt
from execution.broker_side import BrokerSide
from execution.desk import Desk
from execution.events import ADOPT, FLATTEN, HALT, RESUME, STOP_WORD, WORDS, Operator
from execution.ledger import Ledger
from execution.outbox import Outbox
from execution.risk.request import Trading
from execution.steering import Steering


class OperatorWords:
    """Carries words out on the machine's parts."""

    def __init__(self, ledger: Ledger, desk: Desk, outbox: Outbox, steering: Steering, broker_side: BrokerSide) -> None:
        self._ledger = ledger
        self._desk = desk
        self._outbox = outbox
        self._steering = steering
        self._broker_side = broker_side

    def say(self, event: Operator) -> None:
        if event.word not in WORDS:
            self._outbox.note("error", f"nobody knows the word {event.word!r}; there are {', '.join(WORDS)}")
            return
        self._outbox.apply(event)
        self._outbox.note("warning", f"told to {event.word}: {WORDS[event.word]}")
        if event.word in (HALT, FLATTEN, STOP_WORD):
            self._desk.trading = Trading.HALTED
        if event.word == RESUME:
            self._desk.trading = Trading.ACTIVE
        if event.word == STOP_WORD:
            self._steering.stop(event)
        if event.word == FLATTEN:
            self._steering.leave_all(None, FLATTEN, event)
        if event.word == ADOPT:
            for bracket in adopt(event, self._broker_side.view, self._ledger, self._desk.quotes, self._outbox):
                self._steering.advance(bracket, event)
            self._broker_side.ask(event.monotonic_ns, "adopted")
