"""Does what the machine says: calls the gateway, publishes, logs, counts; and brings back what the gateway reports.

It decides nothing. With `send=False` (a dry run) an order is carried up to the DLL's door and not through it. While the
journal does not work, an entry is not sent, for nobody would remember it, nor a target, which is watched here then; what
protects or leaves is, and says so.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from bus.sockets import Publisher
from execution import gateway as g
from execution.events import (
    ENTRY,
    TARGET,
    AskBroker,
    BracketChanged,
    CancelForeign,
    CancelOrder,
    Denied,
    Input,
    Note,
    OrderClosed,
    Output,
    Publish,
    SendOrder,
    SendResult,
)
from execution.gateway import Command, Gateway
from execution.ledger import Ledger
from execution.meters import Meters
from execution.translate import (
    Listing,
    cancel_command,
    list_command,
    order_report,
    send_command,
    send_result,
    session_began,
)
from runtime.clock import Clock

DRY_RUN = "dry run: not sent"
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Performer:
    """The hands of the stage."""

    def __init__(
        self,
        core: Gateway,
        ledger: Ledger,
        publisher: Publisher,
        meters: Meters,
        log: logging.Logger,
        clock: Clock,
        send: bool,
    ) -> None:
        self._core = core
        self._ledger = ledger
        self._publisher = publisher
        self._meters = meters
        self._log = log
        self._clock = clock
        self._sends = send
        self._listing = Listing()
        self.unjournaled = ""  # why intents do not stand in the journal
        self.sent_unjournaled: list[str] = []
        self._results: list[SendResult] = []  # of what was not sent
        self._problem = ""

    @staticmethod
    def calls_the_broker(outputs: Sequence[Output]) -> bool:
        """Whether the journal must be with the operating system before `perform`."""
        return any(isinstance(output, SendOrder | CancelOrder | CancelForeign) for output in outputs)

    @property
    def sends(self) -> bool:
        """Whether an entry goes out at all now."""
        return self._sends and not self.unjournaled

    def send_ahead(self, command: Command) -> None:
        """An entry whose intent stands in the journal, before the ledger knows it."""
        self._core.execute(command)
        self._meters.sending(command.order)

    def perform(self, outputs: Sequence[Output]) -> None:
        """Orders first, in their order; words and messages after."""
        for output in outputs:
            match output:
                case SendOrder():
                    self._send(output)
                case CancelOrder():
                    self._meters.cancelled()
                    self._warn_unjournaled("the cancel of", output.order)
                    self._core.execute(cancel_command(output.order, self._ledger.orders[output.order].cl_order_id))
                case CancelForeign(cl_order_id=name):
                    self._meters.cancelled()
                    self._core.execute(cancel_command(0, name))
                case _:
                    pass
        for output in outputs:
            self._meters.count(output)
            self._say(output)

    @property
    def has_news(self) -> bool:
        """Whether `events` would give anything."""
        return bool(self._results or self._core.has_reports)

    def events(self, monotonic_ns: int, market_ns: int) -> list[Input]:
        """What the gateway reported since the last call, as inputs of the machine."""
        events: list[Input] = list(self._results)
        self._results.clear()
        for report in self._core.drain():
            kind = int(report["kind"][0])
            if kind == g.SENT:
                result = send_result(report, monotonic_ns, market_ns)
                self._count_sent(result)
                events.append(result)
            elif kind == g.ORDER:
                events.append(order_report(report, monotonic_ns, market_ns))
            elif kind == g.CANCEL_SENT:
                problem = bytes(report["text"][0]).decode(errors="replace")
                if problem:  # it may have been filled; if not, the cancel is asked again
                    self._log.warning("cancel of order %d: %s", int(report["order"][0]), problem)
            elif kind == g.SESSION:
                events.append(session_began(report, monotonic_ns, market_ns))
            else:
                view = self._listing.take(report, monotonic_ns, market_ns)
                if view is not None:
                    events.append(view)
        return events

    def _send(self, intent: SendOrder) -> None:
        self._meters.sending(intent.order)
        if self._sends and not (self.unjournaled and intent.role in (ENTRY, TARGET)):
            self._warn_unjournaled(intent.role, intent.order)
            self._core.execute(send_command(intent))
            return
        now_ns, market_ns = self._clock.monotonic_ns(), self._clock.market_ns()
        result = SendResult(now_ns, market_ns, intent.order, 0, now_ns, self.unjournaled if self._sends else DRY_RUN)
        self._count_sent(result)
        self._results.append(result)

    def _warn_unjournaled(self, what: str, order: int) -> None:
        if self.unjournaled and self._sends:
            self._meters.unjournaled()
            self.sent_unjournaled.append(f"{what} {order}")
            self._log.error("%s %d goes out without standing in the journal: %s", what, order, self.unjournaled)

    def _count_sent(self, result: SendResult) -> None:
        self._meters.sent(self._ledger.orders[result.order].intent, result)
        if result.problem and result.problem != DRY_RUN:
            self._log.error("order %d was not sent: %s", result.order, result.problem)

    def _say(self, output: Output) -> None:
        match output:
            case Publish(message=message):
                self._publisher.publish(message)
            case AskBroker(reason=reason):
                if reason not in ("routine", self._problem):
                    self._log.info("asking the broker: %s", reason)
                self._problem = reason
                self._core.execute(list_command(self._ledger.next_order - 1))
            case Note(level=level, text=text):
                self._log.log(_LEVELS[level], "%s", text)
            case Denied(reasons=reasons, role=role, symbol=symbol):
                fields = {"role": role, "symbol": symbol, "reasons": reasons}
                self._log.debug("refused", extra={"fields": fields})
            case BracketChanged():
                fields = {"bracket": output.bracket, "phase": output.phase, "reason": output.reason}
                self._log.info("bracket", extra={"fields": fields})
            case OrderClosed():
                self._log.warning("order %d counts as %s: %s", output.order, output.state, output.reason)
            case _:
                pass
