"""A broker and a journal that die at a named instant: the process ends by SIGKILL exactly there, in its own hand.

The instant is told by an environment variable (`VARIABLE`, a `Death` as JSON). What happens at the broker's door is also
written to a diary that nobody else writes: each call of SendOrder before it is made, and each death. A record in it is
one `write`, so it survives the death of the process.

Where the gateway is a process of its own there are two that can die. A life then ends with the death of either, and both
know the plan of all lives (`PLAN`): what a life's sentence names happens in one of the two.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from execution import journal_file
from execution.events import ENTRY, EXIT, LIMIT, MARKET, STOP, STOP_LIMIT, TARGET, SendOrder
from execution.gateway import SEND
from execution.journal_format import decode_body, scan_from
from shm.layouts import COMMAND
from shm.ring import RingWriter

VARIABLE = "QT_TEST_DEATH"
PLAN = "deaths.json"
DIARY = "diary.jsonl"
ROLES = (ENTRY, STOP, EXIT)

RANDOM = "random"
TORN = "half of an intent is written"
INSIDE = "inside SendOrder"
HELD = "after SendOrder, the exchange has not read it"
CALLBACK = "in the order callback"
FILL_SEEN = "a fill is known, not journaled"
BEFORE_CANCEL = "before a cancel"
AFTER_CANCEL = "after a cancel"
LOGGED_IN = "logged in, nothing asked"
LISTING = "recovery has listed the orders"
BEFORE = {role: f"intent journaled, before SendOrder of the {role}" for role in (*ROLES, TARGET)}
AFTER = {role: f"after SendOrder of the {role}, its result not journaled" for role in (*ROLES, TARGET)}
INSTANTS = (
    RANDOM, TORN, *(BEFORE[role] for role in ROLES), INSIDE, HELD, *(AFTER[role] for role in ROLES), CALLBACK, FILL_SEEN,
    BEFORE_CANCEL, AFTER_CANCEL, LOGGED_IN, LISTING,
)  # fmt: skip
OF_TARGETS = (BEFORE[TARGET], AFTER[TARGET])  # only where targets rest
UNREAD = "commands stand in the ring, the gateway has not read them"
PUT = "a command was put into the ring, execution dies"
OF_APART = (UNREAD, PUT)  # only where the gateway is a process of its own


class Death(msgspec.Struct, frozen=True):
    """At the (skip + 1)-th time that `instant` is reached, wait `delay_us` and die."""

    instant: str
    skip: int = 0
    delay_us: int = 0


class Call(msgspec.Struct, frozen=True, tag="call"):
    """SendOrder is about to be called."""

    epoch: int
    ns: int  # monotonic
    side: int
    order_type: int
    quantity: int
    price: float
    stop_price: float


class Died(msgspec.Struct, frozen=True, tag="died"):
    epoch: int
    ns: int
    instant: str


def read_diary(folder: Path) -> list[Call | Died]:
    path = folder / DIARY
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [msgspec.json.decode(line, type=Call | Died) for line in lines]


class Reaper:
    """Knows when to die, and keeps the diary."""

    def __init__(self, folder: Path, epoch: int) -> None:
        text = os.environ.get(VARIABLE, "")
        self.death = msgspec.json.decode(text, type=Death) if text else Death("")
        self.epoch = epoch
        self._left = self.death.skip
        self.roles: deque[str] = (
            deque()
        )  # of the intents that were journaled and not yet sent: a limit order may be either
        self._diary = os.open(folder / DIARY, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    @property
    def life(self) -> int:
        return self.epoch

    def role_of_next(self, order_type: int) -> str:
        """Of the order that goes out now."""
        return self.roles.popleft()

    def note(self, entry: Call | Died) -> None:
        os.write(self._diary, msgspec.json.encode(entry) + b"\n")

    def due(self, instant: str) -> bool:
        """Whether this is the time; counts."""
        if instant != self.death.instant:
            return False
        self._left -= 1
        return self._left < 0

    def reached(self, instant: str) -> None:
        if self.due(instant):
            time.sleep(self.death.delay_us / 1e6)
            self.die()

    def die(self) -> None:
        self.note(Died(self.life, time.perf_counter_ns(), self.death.instant))
        os.kill(os.getpid(), signal.SIGKILL)

    def die_soon(self) -> None:
        """On a thread of its own, `delay_us` from now, wherever the caller is then."""
        started = threading.Event()

        def spin() -> None:
            started.set()
            until = time.perf_counter_ns() + self.death.delay_us * 1000
            while time.perf_counter_ns() < until:
                pass
            self.die()

        threading.Thread(target=spin, daemon=True).start()
        started.wait()


class SharedReaper(Reaper):
    """Of one of two processes that share their lives; the calls of all of them are one sequence."""

    def __init__(self, folder: Path, life: Callable[[], int]) -> None:
        super().__init__(folder, 0)
        plan = folder / PLAN
        self._plan = msgspec.json.decode(plan.read_bytes(), type=list[Death]) if plan.exists() else []
        self._life = life
        self._sentenced = -1

    @property
    def life(self) -> int:
        return self._sentenced

    def role_of_next(self, order_type: int) -> str:
        """The journal is another process's: a limit order counts as an entry."""
        return {LIMIT: ENTRY, STOP_LIMIT: STOP, MARKET: EXIT}[order_type]

    def due(self, instant: str) -> bool:
        life = self._life()
        if life != self._sentenced:
            self._sentenced = life
            self.death = self._plan[life] if life < len(self._plan) else Death("")
            self._left = self.death.skip
        return super().due(instant)


def write_plan(folder: Path, deaths: list[Death]) -> None:
    (folder / PLAN).write_bytes(msgspec.json.encode(deaths))


class MortalBroker:
    """A broker whose calls can be the last. What it does not name goes straight to the real one."""

    def __init__(self, inner: Any, reaper: Reaper, exchange_pid: int) -> None:
        self._inner = inner
        self._reaper = reaper
        self._exchange_pid = exchange_pid
        reaper.reached(LOGGED_IN)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @property
    def entering(self) -> Callable[[], None]:
        entering: Callable[[], None] = self._inner.entering
        return entering

    @entering.setter
    def entering(self, called: Callable[[], None]) -> None:
        self._inner.entering = called

    def send(self, symbol: int, side: int, order_type: int, quantity: int, price: float, stop_price: float) -> int:
        reaper, role = self._reaper, self._reaper.role_of_next(order_type)
        reaper.reached(BEFORE[role])
        reaper.note(
            Call(reaper.epoch, time.perf_counter_ns(), side, order_type, quantity, float(price), float(stop_price))
        )
        held = reaper.due(HELD)
        if held:
            os.kill(self._exchange_pid, signal.SIGSTOP)
        if reaper.due(INSIDE):
            reaper.die_soon()
        local_id: int = self._inner.send(symbol, side, order_type, quantity, price, stop_price)
        if held:
            reaper.die()
        reaper.reached(AFTER[role])
        return local_id

    def cancel(self, cl_order_id: str) -> None:
        self._reaper.reached(BEFORE_CANCEL)
        self._inner.cancel(cl_order_id)
        self._reaper.reached(AFTER_CANCEL)

    def order_details(self, local_id: int, cl_order_id: str) -> Any:
        details = self._inner.order_details(local_id, cl_order_id)
        if details is not None and details.traded_quantity > 0:
            self._reaper.reached(FILL_SEEN)
        return details

    def orders(self) -> Any:
        found = self._inner.orders()
        self._reaper.reached(LISTING)
        return found


def mortal_callback(changed: Callable[[int, str], None], reaper: Reaper) -> Callable[[int, str], None]:
    """For the DLL's thread."""

    def callback(local_id: int, cl_order_id: str) -> None:
        reaper.reached(CALLBACK)
        changed(local_id, cl_order_id)

    return callback


def mortal_puts(reaper: Reaper) -> None:
    """From now on the command that is put into the ring may be the last of its execution."""
    publish = RingWriter.publish

    def put(writer: RingWriter, record: Any) -> int:
        number = publish(writer, record)
        if record.dtype == COMMAND and int(record["kind"][0]) == SEND:
            reaper.reached(PUT)
        return number

    RingWriter.publish = put  # type: ignore[method-assign]


def mortal_writes(reaper: Reaper) -> None:
    """From now on a write of the journal that holds an intent may stop in its middle, and be the last."""
    journal_file.GROW_BYTES = 128 * 1024  # a full disk is met soon
    write_at = journal_file._write_at

    def write(number: int, data: bytes, at: int) -> int:
        if b"SendOrder" in data and reaper.due(TORN):
            write_at(number, data[: len(data) - 40], at)
            reaper.die()
        if b"SendOrder" in data:
            records = (decode_body(body) for _, body, _ in scan_from(data, 0) if b"SendOrder" in bytes(body))
            reaper.roles.extend(record.role for record in records if isinstance(record, SendOrder))
        return write_at(number, data, at)

    journal_file._write_at = write
