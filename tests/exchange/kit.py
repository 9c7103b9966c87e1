"""What the tests of the exchange share: small tapes made by hand, a client that speaks the wire, a stage's context."""

from __future__ import annotations

import logging
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from config.schema import Config, Exchange, Instrument
from exchange import protocol
from exchange.faults.table import fault_of
from exchange.recording import Recording
from exchange.stage import ExchangeStage
from exchange.tape_market import TapeMarket
from runtime.clock import ManualClock
from shm import layouts

START_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000
TICK = 0.5
DEADLINE_S = 20.0


def instrument(**fields: Any) -> Instrument:
    return Instrument(**({"symbol": "WDOFUT", "tick": TICK, "point_value": 10.0, "fee_per_contract": 0.5} | fields))


ES = instrument(symbol="ES", tick=0.25, point_value=50.0)


@dataclass
class TapeRows:
    """Rows of a tape in the order in which they are added; prices in ticks."""

    rows: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    def trade(self, second: float, ticks: int, quantity: int, trade_type: int = 3, symbol: int = 0) -> TapeRows:
        self.rows.append(("trade", (second, ticks, quantity, trade_type, symbol)))
        return self

    def book(
        self, second: float, bids: list[tuple[int, int]], asks: list[tuple[int, int]], symbol: int = 0
    ) -> TapeRows:
        self.rows.append(("book", (second, bids, asks, symbol)))
        return self

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        trades = np.zeros(sum(kind == "trade" for kind, _ in self.rows), layouts.TRADE)
        books = np.zeros(len(self.rows) - len(trades), layouts.BOOK)
        t = b = 0
        for sequence, (kind, values) in enumerate(self.rows):
            if kind == "trade":
                second, ticks, quantity, trade_type, symbol = values
                row = trades[t]
                t += 1
                row["kind"], row["price"], row["quantity"] = layouts.KIND_TRADE, ticks * TICK, quantity
                row["trade_type"], row["trade_number"] = trade_type, t
                row["buyer"], row["seller"] = 3, 8
            else:
                second, bids, asks, symbol = values
                row = books[b]
                b += 1
                row["kind"] = layouts.KIND_BOOK
                for name, side in (("bid", bids), ("ask", asks)):
                    for level, (ticks, quantity) in enumerate(side):
                        row[f"{name}_price"][level], row[f"{name}_quantity"][level] = ticks * TICK, quantity
            row["ts_ns"], row["ingest_seq"], row["symbol"] = START_NS + int(second * 1e9), sequence, symbol
        return trades, books

    def market(self, *instruments: Instrument) -> TapeMarket:
        chosen = instruments or (instrument(),)
        return TapeMarket(chosen, Recording(chosen, *self.arrays()))


class FakeCounters(dict):
    """Counters as a stage sees them, kept in a dict."""

    def declare(self, *names: str) -> None:
        for name in names:
            self.setdefault(name, 0)

    def set(self, name: str, value: int) -> None:
        assert name in self, f"counter {name} was not declared"
        self[name] = value


class SteppedExchange:
    """A stage that a test steps by hand, on a manual clock."""

    def __init__(self, config: Config) -> None:
        self.clock = ManualClock(monotonic_ns=5_000_000_000)
        self.started = False
        self.counters = FakeCounters()
        folder = Path(tempfile.mkdtemp(prefix="exchange-"))
        self.context: Any = SimpleNamespace(
            name="exchange", config=config, epoch=0, run_folder=folder, clock=self.clock, counters=self.counters,
            log=logging.getLogger("test.exchange"), market_start_requested=lambda: self.started,
            market_stop_requested=lambda: False,
        )  # fmt: skip
        self.stage = ExchangeStage()
        self.clients: list[Client] = []

    def open(self) -> SteppedExchange:
        self.stage.on_start(self.context)
        return self

    def step(self, seconds: float = 0.0) -> None:
        """Let time pass and work until nothing is left to do."""
        self.clock.advance(int(seconds * 1e9))
        while self.stage.do_work():
            pass

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Work, without letting the clock move, until the condition holds; bounded."""
        give_up = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < give_up, f"waited {DEADLINE_S} s for {what}"
            self.step()
            for client in self.clients:
                client.read()
            time.sleep(0.0005)  # other threads of the test need their turn

    def client(self, full: bool = True, key: str = "key", password: str = "paper", login: bool = True) -> Client:
        client = Client(self)
        self.clients.append(client)
        if login:
            client.send(protocol.LOGIN, key=key, user="user", password=password, full=full)
            self.until(lambda: client.has(protocol.LOGIN_REPLY), "the login's answer")
            if client.of(protocol.LOGIN_REPLY)[0]["code"] == 0:
                self.until(lambda: client.has(protocol.LOGIN_DONE), "the end of the login")
        return client

    def close(self) -> None:
        for client in self.clients:
            client.socket.close()
        self.stage.on_close()
        shutil.rmtree(self.context.run_folder)

    def fault(self, name: str, **numbers: Any) -> None:
        """Switch a fault on, now."""
        self.step()
        self.stage.server.begin(fault_of({"name": name, **numbers}))


class Client:
    """A plain socket that speaks the protocol and keeps everything it was told."""

    def __init__(self, exchange: SteppedExchange) -> None:
        self.exchange = exchange
        self.socket = socket.create_connection(("127.0.0.1", exchange.counters["port"]), timeout=DEADLINE_S)
        self.socket.setblocking(False)
        self.buffer = b""
        self.messages: list[tuple[int, np.void]] = []
        self.ended = False
        self.syncs = 0

    def send(self, message: int, **fields: Any) -> None:
        self.socket.sendall(protocol.frame(message, **fields))

    def read(self) -> None:
        while not self.ended:
            try:
                data = self.socket.recv(1 << 20)
            except BlockingIOError:
                break
            except (ConnectionResetError, BrokenPipeError):  # the latter on Windows, after our own shutdown
                data = b""
            self.ended = not data
            self.buffer += data
        start = 0
        while len(self.buffer) - start >= 8:
            header = np.frombuffer(self.buffer, protocol.HEADER, 1, start)[0]
            if len(self.buffer) - start < header["length"]:
                break
            body = np.frombuffer(self.buffer, protocol.BODIES[int(header["type"])], 1, start + 8)[0]
            self.messages.append((int(header["type"]), body))
            start += int(header["length"])
        self.buffer = self.buffer[start:]

    def of(self, message: int) -> list[np.void]:
        return [body for kind, body in self.messages if kind == message]

    def has(self, message: int, count: int = 1) -> bool:
        return len(self.of(message)) >= count

    def subscribe(self, ticker: str = "WDOFUT", on: int = 1) -> None:
        self.send(protocol.SUBSCRIBE, ticker=ticker, exchange="F", trades=1, depth=1, on=on)
        self.sync()

    def sync(self) -> None:
        """Wait until the exchange has dealt with all that was sent and everything it answered has come."""
        self.syncs += 1
        self.send(protocol.HISTORY, ticker="", request=-self.syncs)
        answers = lambda: {int(end["request"]) for end in self.of(protocol.HISTORY_END)}  # noqa: E731
        self.exchange.until(lambda: -self.syncs in answers(), "an answer in order")

    def order(self, local_id: int, side: int, price: float, quantity: int, **fields: Any) -> None:
        self.send(protocol.SEND_ORDER, **({
            "local_id": local_id, "side": side, "price": price, "quantity": quantity, "order_type": 2, "stop_price": -1,
            "account": "paper", "password": "paper", "ticker": "WDOFUT", "exchange": "F",
        } | fields))  # fmt: skip

    def statuses(self, local_id: int) -> list[int]:
        """Statuses of an own order, in the order in which they were told."""
        return [int(order["status"]) for order in self.of(protocol.ORDER) if order["local_id"] == local_id]

    def last(self, local_id: int) -> np.void:
        return [order for order in self.of(protocol.ORDER) if order["local_id"] == local_id][-1]

    def wait_status(self, local_id: int, *statuses: int) -> None:
        """Work until an own order went through exactly these statuses so far."""
        wanted = list(statuses)
        self.exchange.until(lambda: self.statuses(local_id) == wanted, f"{wanted}, got {self.statuses(local_id)}")


def config_of(*instruments: Instrument, **exchange: Any) -> Config:
    settings = {"ack_latency_ms": 0.0} | exchange
    return Config(instruments=instruments or (instrument(),), exchange=Exchange(**settings))
