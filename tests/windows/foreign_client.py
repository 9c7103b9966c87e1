"""Drives `profitdll-wrapper`, a client of ProfitDLL that nobody here wrote, against the simulated exchange.

    python foreign_client.py DLL PORT       with the wheel on PYTHONPATH

Runs in a process of its own because the package allows one session for each. Prints one JSON object: what each step
gave. It uses the package's public interface only and asserts nothing: test_foreign_client.py does.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

LIMIT_S = 40.0
TICKER, EXCHANGE, ACCOUNT, BROKER = "WDOFUT", "F", "paper", 0


class Warnings(logging.Handler):
    """Everything the package complained about."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Heard:
    """Events of the package in the order in which they came, and waiting for one with a limit."""

    def __init__(self) -> None:
        self.events: dict[str, list[Any]] = {}
        self._news = threading.Condition()

    def note(self, kind: str) -> Callable[[Any], None]:
        def noted(event: Any) -> None:
            with self._news:
                self.events.setdefault(kind, []).append(event)
                self._news.notify_all()

        return noted

    def wait(self, kind: str, wanted: Callable[[Any], bool] = lambda event: True, count: int = 1) -> list[Any]:
        with self._news:
            found: list[Any] = []

            def enough() -> bool:
                found[:] = [event for event in self.events.get(kind, []) if wanted(event)]
                return len(found) >= count

            if not self._news.wait_for(enough, LIMIT_S):
                raise TimeoutError(
                    f"{kind}: {len(found)} of {count}; heard {self.counts()}; {self.events.get('ORDER')}"
                )
            return found

    def counts(self) -> dict[str, int]:
        return {kind: len(events) for kind, events in self.events.items()}


def order_facts(order: Any) -> dict[str, Any]:
    return {
        "status": order.status.name, "side": order.side.name, "type": order.order_type.name, "price": order.price,
        "quantity": order.quantity, "traded": order.traded_quantity, "leaves": order.leaves_quantity,
        "average": order.average_price, "ticker": order.asset.ticker, "exchange": order.asset.exchange,
        "account": order.account_id, "permanent": bool(order.cl_ord_id),
    }  # fmt: skip


def drive(port: str) -> dict[str, Any]:
    import profitdll_wrapper as package
    from profitdll_wrapper.client import Event, ProfitClient

    warnings = Warnings()
    logging.getLogger("profitdll_wrapper").addHandler(warnings)
    os.environ["PROFITSIM_PORT"] = port
    client = ProfitClient(
        activation_key="key", user="user", password="paper", mode="routing", routing_password="paper", broker_id=BROKER
    )
    heard = Heard()
    for event in Event:
        client.on(event)(heard.note(event.value))
    report: dict[str, Any] = {"package": package.__version__}
    client.connect(timeout=LIMIT_S)
    report["connected"] = client.is_connected
    at = {"exchange": EXCHANGE, "account": ACCOUNT}

    client.subscribe(TICKER, exchange=EXCHANGE)
    client.subscribe_price_depth(TICKER, exchange=EXCHANGE)
    trades = heard.wait("TRADE", count=5)
    report["trades"] = [
        {"price": t.price, "quantity": t.quantity, "ticker": t.asset.ticker, "year": t.timestamp.year}
        for t in trades[:5]
    ]
    levels = heard.wait("PRICE_LEVEL", lambda level: level.price > 0, count=5)
    report["levels"] = [
        {"side": x.side.name, "price": x.price, "quantity": x.quantity, "count": x.count} for x in levels[:5]
    ]
    book = heard.wait("PRICE_SNAPSHOT")[0]
    report["book"] = {"bids": [x.price for x in book.buy_levels], "asks": [x.price for x in book.sell_levels]}
    best = {side: client.get_price_group(TICKER, side, 0, exchange=EXCHANGE) for side in (0, 1)}
    report["best"] = [best[0].price, best[1].price]

    def statuses(number: int, *names: str) -> list[Any]:
        return heard.wait("ORDER", lambda order: order.id == number and order.status.name in names)

    far = best[0].price - 50.0
    number = client.send_buy_order(TICKER, price=far, quantity=3, **at)
    resting = statuses(number, "NEW")[-1]
    report["resting"] = order_facts(resting)
    client.change_order(ACCOUNT, number, far - 5.0, 2, cl_ord_id=resting.cl_ord_id)
    heard.wait(
        "ORDER",
        lambda order: order.id == number and order.price == far - 5.0 and order.status.name in ("NEW", "REPLACED"),
    )
    report["changed"] = order_facts(statuses(number, "NEW", "REPLACED")[-1])
    client.cancel_order(ACCOUNT, number, cl_ord_id=resting.cl_ord_id)
    report["canceled"] = order_facts(statuses(number, "CANCELED")[-1])

    others = [client.send_sell_order(TICKER, price=best[1].price + 50.0 + i, quantity=1, **at) for i in range(2)]
    for other in others:
        statuses(other, "NEW")
    client.cancel_all_orders(ACCOUNT, TICKER, exchange=EXCHANGE)
    report["all_canceled"] = [order_facts(statuses(other, "CANCELED")[-1])["status"] for other in others]

    bought = client.send_market_buy(TICKER, quantity=2, **at)
    report["filled"] = order_facts(statuses(bought, "FILLED")[-1])
    heard.wait("POSITION")
    position = client.get_position(TICKER, **at)
    report["position"] = [position.quantity, position.average_price, position.buy_quantity, position.sell_quantity]
    closing = client.zero_position(TICKER, **at)
    statuses(closing, "FILLED")
    give_up = time.monotonic() + LIMIT_S
    while client.get_position(TICKER, **at).quantity and time.monotonic() < give_up:
        time.sleep(0.05)
    position = client.get_position(TICKER, **at)
    report["after_zero"] = [position.quantity, position.buy_quantity, position.sell_quantity]

    report["accounts"] = [[a.account_id, a.broker_id, a.broker_name, a.owner_name] for a in client.get_accounts()]
    report["orders_of_the_day"] = sorted(order.status.name for order in client.get_order_history(ACCOUNT))
    today = trades[-1].timestamp.strftime("%d/%m/%Y")
    of_today = client.get_order_history(ACCOUNT, start_date=f"{today} 00:00:00", end_date=f"{today} 23:59:59")
    before = client.get_order_history(ACCOUNT, start_date="01/01/2024", end_date="02/01/2024")
    report["orders_by_interval"] = [len(of_today), len(before)]
    client.get_history_trades(TICKER, f"{today} 00:00:00", f"{today} 23:59:59", exchange=EXCHANGE)
    heard.wait("HISTORY_PROGRESS", lambda progress: progress.progress == 100)
    report["history"] = len(heard.events.get("HISTORICAL_TRADE", []))
    report["agent"] = [client.get_agent_name(3), client.get_agent_name(3, short_name=False)]
    try:
        client.request_ticker_info(TICKER, exchange=EXCHANGE)
    except package.ProfitAPIError as error:
        report["asset_info"] = error.code.name
    messages = heard.events.get("TRADING_MESSAGE", [])
    report["message_results"] = sorted({getattr(m.result_code, "name", str(m.result_code)) for m in messages})
    report["ticker_states"] = [state.state.name for state in heard.events.get("TICKER_STATE", [])]
    client.disconnect()
    report["events"] = heard.counts()
    report["warnings"] = sorted(set(warnings.lines))
    return report


def main(dll: str, port: str) -> int:
    os.environ["PROFITDLL_PATH"] = dll
    sys.stdout.write(json.dumps(drive(port), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
