"""Between the gateway's fixed records and the machine's events, both ways. Carries over, decides nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from execution import gateway as g
from execution.events import (
    BrokerPosition,
    BrokerView,
    OrderReport,
    SendOrder,
    SendResult,
)

Record = np.ndarray[Any, np.dtype[Any]]


def send_command(intent: SendOrder) -> g.Command:
    return g.Command(
        0, g.SEND, intent.side, intent.order_type, b"", intent.symbol, intent.order, intent.quantity, intent.price,
        intent.stop_price,
    )  # fmt: skip


def cancel_command(order: int, cl_order_id: str) -> g.Command:
    """order: our number, 0 for one that is not ours."""
    return g.Command(kind=g.CANCEL, order=order, cl_order_id=cl_order_id.encode())


def list_command() -> g.Command:
    return g.Command(kind=g.LIST)


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


class Listing:
    """Collects the reports of one LIST command until its end."""

    def __init__(self) -> None:
        self._orders: list[OrderReport] = []
        self._positions: list[BrokerPosition] = []

    def take(self, report: Record, monotonic_ns: int, market_ns: int) -> BrokerView | None:
        """The whole view with the report that ends the listing, None before."""
        row = report[0]
        kind = int(row["kind"])
        if kind == g.LISTED_ORDER:
            self._orders.append(order_report(report, monotonic_ns, market_ns))
        elif kind == g.LISTED_POSITION:
            position = BrokerPosition(_str(row["ticker"]), int(row["quantity"]), float(row["average_price"]))
            self._positions.append(position)
        elif kind == g.LISTED:
            view = BrokerView(monotonic_ns, market_ns, _str(row["text"]), tuple(self._orders), tuple(self._positions))
            self._orders, self._positions = [], []
            return view
        return None


def _str(raw: bytes) -> str:
    return bytes(raw).decode(errors="replace")
