"""Between the gateway's fixed records and the machine's events, both ways. Carries over, decides nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from execution import gateway as g
from execution.events import (
    ENTRY,
    STOP,
    TARGET,
    BrokerPosition,
    BrokerView,
    OrderReport,
    SendOrder,
    SendResult,
    SessionBegan,
)

# a target that is not sent is watched here instead; a stop that is not is one that failed
AGES = {ENTRY: g.AGES_AS_ENTRY, TARGET: g.AGES_AS_ENTRY, STOP: g.AGES_AS_STOP}
Record = np.ndarray[Any, np.dtype[Any]]


def send_command(intent: SendOrder) -> g.Command:
    return g.Command(
        0, g.SEND, intent.side, intent.order_type, AGES.get(intent.role, 0), intent.symbol, intent.order,
        intent.quantity, intent.price, intent.stop_price, b"", intent.monotonic_ns,
    )  # fmt: skip


def cancel_command(order: int, cl_order_id: str) -> g.Command:
    """order: our number, 0 for one that is not ours."""
    return g.Command(kind=g.CANCEL, order=order, cl_order_id=cl_order_id.encode())


def list_command(newest_order: int = 0) -> g.Command:
    """newest_order: number of our newest order, whose command went before; the view says nothing of later ones."""
    return g.Command(kind=g.LIST, order=newest_order)


def send_result(report: Record, monotonic_ns: int, market_ns: int) -> SendResult:
    row = report[0]
    return SendResult(
        monotonic_ns, market_ns, int(row["order"]), int(row["local_id"]), int(row["entered_ns"]), _str(row["text"])
    )


def order_report(report: Record, monotonic_ns: int, market_ns: int) -> OrderReport:
    row = report[0]
    return OrderReport(
        monotonic_ns,
        market_ns,
        int(row["local_id"]),
        _str(row["cl_order_id"]),
        _str(row["ticker"]),
        int(row["side"]),
        int(row["order_type"]),
        int(row["status"]),
        int(row["quantity"]),
        int(row["traded_quantity"]),
        int(row["leaves_quantity"]),
        float(row["price"]),
        float(row["stop_price"]),
        float(row["average_price"]),
        int(row["created_ns"]),
        int(row["event_id"]),
        _str(row["text"]),
    )


def session_began(report: Record, monotonic_ns: int, market_ns: int) -> SessionBegan:
    return SessionBegan(monotonic_ns, market_ns, int(report[0]["gateway"]))


class Listing:
    """Collects the reports of one LIST command until its end; one that is not whole becomes a view with a problem."""

    def __init__(self) -> None:
        self._number = (0, 0)  # incarnation of the gateway, its number of the listing
        self._orders: list[OrderReport] = []
        self._positions: list[BrokerPosition] = []

    def take(self, report: Record, monotonic_ns: int, market_ns: int) -> BrokerView | None:
        """The whole view with the report that ends the listing, None before."""
        row = report[0]
        kind = int(row["kind"])
        number = int(row["gateway"]), int(row["listing"])
        if number != self._number:  # what stands here belongs to one whose end never came
            self._number = number
            self._orders, self._positions = [], []
        if kind == g.LISTED_ORDER:
            self._orders.append(order_report(report, monotonic_ns, market_ns))
        elif kind == g.LISTED_POSITION:
            position = BrokerPosition(_str(row["ticker"]), int(row["quantity"]), float(row["average_price"]))
            self._positions.append(position)
        elif kind == g.LISTED:
            orders, positions = tuple(self._orders), tuple(self._positions)
            self._orders, self._positions = [], []
            if problem := _str(row["text"]) or _lacking(row, len(orders), len(positions)):
                return BrokerView(monotonic_ns, market_ns, problem)
            asked_ns, newest = int(row["entered_ns"]), int(row["order"])
            return BrokerView(monotonic_ns, market_ns, "", orders, positions, asked_ns, newest)
        return None


def _lacking(end: Any, orders: int, positions: int) -> str:
    """What is missing of a listing at its end, or ""."""
    if (int(end["quantity"]), int(end["traded_quantity"])) == (orders, positions):
        return ""
    return f"{orders} of {int(end['quantity'])} orders and {positions} of {int(end['traded_quantity'])} positions came"


def _str(raw: bytes) -> str:
    return bytes(raw).decode(errors="replace")
