"""The only door to the DLL's order functions: fixed records in (COMMAND), fixed records out (REPORT).

It carries out what it is told, once, and reports what came of it; it decides nothing and repeats no order. Order
callbacks come on the DLL's thread: they only leave ids here and ring; the details are fetched by whoever calls
`work`, and again after a moment when the DLL does not know them yet. The records are those of a ring, so the gateway
can live in execution's process (`GatewayCore` itself) or in one of its own (`gateway_stage`, which execution reaches
through `gateway_link`); `Gateway` is what execution needs of either.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from execution.broker import Broker, BrokerError, BrokerOrder
from shm.layouts import COMMAND, REPORT

SEND, CANCEL, LIST = 1, 2, 3  # kinds of commands
SENT, CANCEL_SENT, ORDER, LISTED_ORDER, LISTED_POSITION, LISTED = 1, 2, 3, 4, 5, 6  # kinds of reports
SESSION = 7  # kind of a report that a link makes by itself: another incarnation of the gateway speaks from here on
AGES_AS_ENTRY, AGES_AS_STOP = 1, 2  # `ages` of a send: how old it may be when it is taken; 0: no matter how old
EVERYONE = -1  # `asker` of a report that answers nobody
RETRY_NS = 20_000_000
RETRIES = 100  # two seconds; then the next listing must tell
FETCHES_A_TURN = 256
TEXT_BYTES = REPORT.fields["text"][0].itemsize  # type: ignore[index]

Record = np.ndarray[Any, np.dtype[Any]]


class Command(NamedTuple):
    """The fields of a COMMAND, in their order."""

    sequence: int = 0
    kind: int = 0
    side: int = 0
    order_type: int = 0
    ages: int = 0
    symbol: int = 0
    order: int = 0
    quantity: int = 0
    price: float = 0.0
    stop_price: float = 0.0
    cl_order_id: bytes = b""
    made_ns: int = 0
    gateway: int = 0
    asker: int = 0


assert Command._fields == COMMAND.names


class Gateway(Protocol):
    """Carries out commands and reports what came of them, wherever it lives."""

    @property
    def lost_details(self) -> int:
        """Orders whose details never came: the listing after it had to tell."""
        ...

    def execute(self, command: Command) -> None:
        """Carry out one command, once, or see to it. What comes of it, also a failure, is a report."""
        ...

    def work(self) -> int:
        """Take in what happened; never waits. Returns how many reports that gave."""
        ...

    @property
    def has_reports(self) -> bool:
        """Whether `drain` would give any."""
        ...

    def drain(self) -> list[Record]:
        """The reports since the last call, oldest first."""
        ...

    def next_retry_ns(self) -> int | None:
        """Monotonic time at which `work` has something to repeat."""
        ...


class OrderSession(Protocol):
    """What execution watches of the session behind its gateway."""

    @property
    def session_losses(self) -> int:
        """How often it was lost and came back, however shortly."""
        ...

    def problem(self) -> str:
        """Why no order can be sent now, or "". Never blocks."""
        ...

    def close(self) -> None:
        """End it, if it is ours. Harmless when called twice."""
        ...


class GatewayCore:
    """In-process: `execute` calls the broker at once, `drain` gives what came of it. One thread calls all but `changed`."""

    def __init__(self, broker: Broker, now_ns: Callable[[], int], wake: Callable[[], None]) -> None:
        """now_ns: the monotonic clock; wake: rings whoever should call `work`, from any thread."""
        self._broker = broker
        self._now_ns = now_ns
        self._wake = wake
        self._changed: deque[tuple[int, str]] = deque()  # append and popleft are atomic
        self._counts = np.zeros(2, np.uint64)  # ids that came, ids that were taken
        self._counting = threading.Lock()
        self._retries: dict[tuple[int, str], tuple[int, int]] = {}  # ids -> (try again at, tries left)
        self._reports: deque[Record] = deque()
        self._newest = 0  # number of the newest order that was commanded
        self._listings = 0
        self.lost_details = 0
        self._entered_ns = 0  # monotonic, of the last send: at the library's door when the broker says so
        broker.entering = self._entering

    @property
    def changed_address(self) -> int:
        """Of a uint64: how many changes came. Whoever waits must not sleep while it is above `taken_address`."""
        return int(self._counts.ctypes.data)

    @property
    def taken_address(self) -> int:
        """Of a uint64: how many changes `work` has taken."""
        return self.changed_address + self._counts.itemsize

    def changed(self, local_id: int, cl_order_id: str) -> None:
        """For the DLL's thread: an order changed. Copies, counts, rings and leaves; in this order, so that whoever
        looks at the count before it sleeps either sees it or is rung."""
        self._changed.append((local_id, cl_order_id))
        with self._counting:
            self._counts[0] += np.uint64(1)
        self._wake()

    def execute(self, command: Command) -> None:
        """Carry out one command. What came of it, also a failure, is a report."""
        kind = command.kind
        if kind == SEND:
            self._newest = max(self._newest, command.order)
            self._send(command)
        elif kind == CANCEL:
            self._cancel(command)
        elif kind == LIST:
            self._newest = max(self._newest, command.order)
            self._list()
        else:
            raise ValueError(f"a command of kind {kind}; this build knows {SEND}, {CANCEL} and {LIST}")

    def work(self) -> int:
        """Fetch the details of what changed; returns how many reports that gave. Never waits."""
        now_ns = self._now_ns()
        due = [ids for ids, (at_ns, _) in self._retries.items() if now_ns >= at_ns]
        fresh: dict[tuple[int, str], None] = {}
        taken = 0
        while self._changed and len(fresh) < FETCHES_A_TURN:
            fresh[self._changed.popleft()] = None  # several changes of one order need one look
            taken += 1
        self._counts[1] += np.uint64(taken)
        return sum(self._fetch(ids, now_ns) for ids in (*due, *(ids for ids in fresh if ids not in due)))

    @property
    def has_reports(self) -> bool:
        """Whether `drain` would give any."""
        return bool(self._reports)

    def drain(self) -> list[Record]:
        """The reports since the last call, oldest first."""
        reports, self._reports = list(self._reports), deque()
        return reports

    def next_retry_ns(self) -> int | None:
        """Monotonic time at which `work` has something to repeat."""
        return min((at_ns for at_ns, _ in self._retries.values()), default=None)

    def _send(self, command: Command) -> None:
        self._entered_ns = self._now_ns()
        local_id, text = 0, b""
        try:
            local_id = self._broker.send(
                command.symbol, command.side, command.order_type, command.quantity, command.price, command.stop_price
            )
        except BrokerError as error:
            text = _text(str(error))
        report = self._new(SENT, command.order)
        report["entered_ns"] = self._entered_ns
        report["local_id"] = local_id
        report["text"] = text

    def _entering(self) -> None:
        self._entered_ns = self._now_ns()

    def _cancel(self, command: Command) -> None:
        report = self._new(CANCEL_SENT, command.order)
        report["entered_ns"] = self._now_ns()
        try:
            self._broker.cancel(command.cl_order_id.decode())
        except BrokerError as error:
            report["text"] = _text(str(error))

    def _list(self) -> None:
        """Orders before positions: a fill in between makes the positions newer, and the next listing agrees."""
        asked_ns = self._now_ns()
        try:
            orders, positions = self._broker.orders(), self._broker.positions()
        except BrokerError as error:
            self._new(LISTED, 0)["text"] = _text(str(error) or "the query failed")
            return
        self._listings += 1
        for order in orders:
            self._report_order(LISTED_ORDER, order)["listing"] = self._listings
        for position in positions:
            report = self._new(LISTED_POSITION, 0)
            report["ticker"] = position.ticker.encode()
            report["quantity"] = position.quantity
            report["average_price"] = position.average_price
            report["listing"] = self._listings
        end = self._new(LISTED, self._newest)
        end["listing"] = self._listings
        end["entered_ns"] = asked_ns
        end["quantity"], end["traded_quantity"] = len(orders), len(positions)

    def _fetch(self, ids: tuple[int, str], now_ns: int) -> int:
        _, left = self._retries.pop(ids, (0, RETRIES))
        try:
            order = self._broker.order_details(*ids)
        except BrokerError as error:
            if error.passing and left > 0:
                self._retries[ids] = (now_ns + RETRY_NS, left - 1)
            else:
                self.lost_details += 1
                self._list()  # what one question does not tell, the whole may
            return 0
        if order is None:
            return 0
        self._report_order(ORDER, order)
        return 1

    def _report_order(self, kind: int, order: BrokerOrder) -> Record:
        report = self._new(kind, 0)
        for name in (
            "local_id", "side", "order_type", "status", "quantity", "traded_quantity", "leaves_quantity", "price",
            "stop_price", "average_price", "created_ns", "event_id",
        ):  # fmt: skip
            report[name] = getattr(order, name)
        report["cl_order_id"] = order.cl_order_id.encode()
        report["ticker"] = order.ticker.encode()
        report["text"] = _text(order.text)
        return report

    def _new(self, kind: int, order: int) -> Record:
        report = new_report(kind, order)
        self._reports.append(report)
        return report


def new_command(command: Command) -> Record:
    """A COMMAND of one element. Written in one go: field by field costs ten times as much."""
    return np.array([command], COMMAND)


def command_of(record: Record) -> Command:
    """The fields of a COMMAND of one element."""
    return Command(*record[0].item())


def new_report(kind: int, order: int = 0, text: str = "") -> Record:
    """A REPORT of one element."""
    report = np.zeros(1, REPORT)
    report["kind"] = kind
    report["order"] = order
    if text:
        report["text"] = _text(text)
    return report


def not_done(command: Command, reason: str) -> Record:
    """The answer to a command that surely was not carried out, and will not be."""
    answers = {SEND: SENT, CANCEL: CANCEL_SENT, LIST: LISTED}
    if command.kind not in answers:
        raise ValueError(f"a command of kind {command.kind}; this build knows {sorted(answers)}")
    return new_report(answers[command.kind], 0 if command.kind == LIST else command.order, reason)


def _text(text: str) -> bytes:
    """UTF-8, cut to the field without splitting a character."""
    return text.encode()[:TEXT_BYTES].decode(errors="ignore").encode()
