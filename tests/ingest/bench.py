"""An ingest without its process: native callbacks over real rings, the DLL behind them in Python."""

from __future__ import annotations

import ctypes
import itertools
import os
from typing import Any

import numpy as np

from config.schema import Instrument
from ingest import state
from ingest.callbacks import on_depth, on_history_trade, on_trade
from ingest.native_context import NativeContext
from runtime.clock import set_market_clock
from shm.counters import RunCounters
from shm.doorbell import Doorbells
from shm.layouts import BOOK, CANDLE, TRADE
from shm.ring import RingReader, RingWriter, create_ring
from shm.segment import run_prefix
from tests.ingest.fake_dll import OPENING_NS, DllTrade, FakeDll, asset

_numbers = itertools.count()
DTYPES = {"trades": TRADE, "book": BOOK, "candles": CANDLE}
INSTRUMENTS = (
    Instrument(symbol="WDOFUT", tick=0.5, point_value=10.0, bar_seconds=60),
    Instrument(symbol="WINFUT", tick=5.0, point_value=0.2, bar_seconds=60),
)


class Bench:
    """Drives the callbacks and reads what they publish."""

    def __init__(self, capacity: int = 4096) -> None:
        prefix = f"{run_prefix(os.getpid())}ingest{next(_numbers)}"
        self.dll = FakeDll()
        self.run = RunCounters.create(prefix + "counters")
        self.doorbells = Doorbells.create(prefix + "bells")
        self.segments = {ring: create_ring(prefix + ring, dtype, capacity) for ring, dtype in DTYPES.items()}
        self.counters = self.run.stage(1)
        self.counters.declare(*state.COUNTERS)
        set_market_clock(self.run, OPENING_NS, 0, 0.0)  # stands still until told
        self._ids = itertools.count(1)
        self.start()
        self.readers = {ring: RingReader(segment, DTYPES[ring]) for ring, segment in self.segments.items()}

    def start(self) -> None:
        """A new incarnation over the same rings."""
        writers = {ring: RingWriter(segment, DTYPES[ring], self.doorbells) for ring, segment in self.segments.items()}
        first = self.counters.value_address(state.COUNTERS[0])
        histogram = self.counters.histogram("callback").address
        self.native = NativeContext(
            self.dll, INSTRUMENTS, writers, self.run, first, histogram, 1  # type: ignore[arg-type]
        )
        self.native.set_sessions(OPENING_NS)
        state.install(self.native.address)

    def at(self, market_ns: int) -> None:
        """Set the market clock."""
        set_market_clock(self.run, market_ns, 0, 0.0)

    def trade(self, trade: DllTrade, ticker: str = "WDOFUT", flags: int = 0) -> None:
        opaque = next(self._ids)
        self.dll.trades[opaque] = trade
        who = asset(ticker)
        on_trade.ctypes(ctypes.addressof(who), opaque, flags)

    def history(self, trade: DllTrade, ticker: str = "WDOFUT", flags: int = 0) -> None:
        opaque = next(self._ids)
        self.dll.trades[opaque] = trade
        who = asset(ticker)
        on_history_trade.ctypes(ctypes.addressof(who), opaque, flags)

    def depth(self, side: int, position: int, update: int, ticker: str = "WDOFUT") -> None:
        who = asset(ticker)
        on_depth.ctypes(ctypes.addressof(who), side, position, update)

    def read(self, ring: str) -> Any:
        out = np.zeros(4096, DTYPES[ring])
        return out[: self.readers[ring].read(out)].copy()

    def count(self, name: str) -> int:
        return self.counters.get(name)

    def remove(self) -> None:
        state.install(0)
        for segment in (self.run.segment, self.doorbells.segment, *self.segments.values()):
            segment.remove()
