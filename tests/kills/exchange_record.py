"""The exchange's own record of orders: a second full client that only listens, straight at the exchange's socket.

It speaks the wire itself, so neither our library nor our execution stands between. A message may come late, twice or out of
its turn (the exchange's faults strike this client too), so the exchange's own number and time of each change count, not
those of its arrival. `at_ns` is monotonic: the market's time, carried over by the exchange's clock message.
"""

from __future__ import annotations

import socket
import threading
import time
from typing import NamedTuple

import numpy as np

from exchange import protocol
from profitdll.constants import OrderStatus, OrderType, Side
from runtime.secrets import simulated_password

RESTING = frozenset(
    {
        OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.REPLACED, OrderStatus.PENDING_CANCEL,
        OrderStatus.PENDING_REPLACE,
    }
)  # fmt: skip


class Change(NamedTuple):
    """One word of the exchange about one order. Quantities in contracts."""

    at_ns: int
    event_id: int
    cl_order_id: str
    side: int
    order_type: int
    status: int
    quantity: int
    traded: int
    leaves: int
    price: float
    stop_price: float

    @property
    def key(self) -> tuple[int, int, int, float, float]:
        """What an order was sent with."""
        return self.side, self.order_type, self.quantity, self.price, self.stop_price

    @property
    def protects(self) -> int:
        """Signed contracts that it would close: positive for a stop of a long position."""
        if self.order_type != OrderType.STOP_LIMIT or self.status not in RESTING:
            return 0
        return self.leaves if self.side == Side.SELL else -self.leaves


class Spy:
    """Listens until `close`."""

    def __init__(self, port: int) -> None:
        self._changes: dict[tuple[str, int], Change] = {}
        self._offset_ns = 0  # monotonic minus market time
        self.problem = ""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.sendall(
            protocol.frame(protocol.LOGIN, key="listener", user="listener", password=simulated_password(), full=1)
        )
        self._thread = threading.Thread(target=self._listen, name="exchange-record", daemon=True)
        self._thread.start()

    @property
    def changes(self) -> list[Change]:
        """Each change once, as they happened."""
        return sorted(self._changes.copy().values(), key=lambda change: change.event_id)

    @property
    def orders(self) -> dict[str, Change]:
        """The latest word about each order, in the order of their arrival at the exchange."""
        return {change.cl_order_id: change for change in self.changes}

    @property
    def position(self) -> int:
        return sum(c.traded if c.side == Side.BUY else -c.traded for c in self.orders.values())

    @property
    def traded(self) -> int:
        return sum(change.traded for change in self.orders.values())

    def close(self) -> None:
        self._socket.close()
        self._thread.join(5.0)

    def _listen(self) -> None:
        waiting = bytearray()
        head = protocol.HEADER.itemsize
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except TimeoutError:
                continue
            except OSError:
                return
            if not data:
                return
            now_ns = time.perf_counter_ns()
            waiting += data
            while len(waiting) >= head:
                header = np.frombuffer(bytes(waiting[:head]), protocol.HEADER)[0]
                length, kind = int(header["length"]), int(header["type"])
                if len(waiting) < length:
                    break
                if kind == protocol.ORDER:
                    self._take(np.frombuffer(bytes(waiting[head:length]), protocol.ORDER_BODY)[0])
                elif kind == protocol.CLOCK:
                    clock = np.frombuffer(bytes(waiting[head:length]), protocol.CLOCK_BODY)[0]
                    self._offset_ns = now_ns - int(clock["market_ns"])
                elif kind == protocol.LOGIN_REPLY:
                    code = int(np.frombuffer(bytes(waiting[head:length]), protocol.LOGIN_REPLY_BODY)[0]["code"])
                    self.problem = f"the listener's login was refused with {code}" if code else ""
                del waiting[:length]

    def _take(self, body: np.void) -> None:
        change = Change(
            int(body["update_ns"]) + self._offset_ns, int(body["event_id"]), bytes(body["cl_order_id"]).decode(),
            int(body["side"]), int(body["order_type"]), int(body["status"]), int(body["quantity"]),
            int(body["traded_quantity"]), int(body["leaves_quantity"]), float(body["price"]), float(body["stop_price"]),
        )  # fmt: skip
        self._changes.setdefault((change.cl_order_id, change.event_id), change)
