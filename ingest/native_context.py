"""Builds the context that callbacks work on: arrays of this process, filled once before the session opens."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np

from config.schema import Instrument
from ingest import state
from ingest.depth import GROUP
from ingest.native_time import utc_offsets
from ingest.tickers import code_units
from ingest.trades import DLL_TRADE
from profitdll.library import Library
from runtime.clock import SharedClock
from runtime.native_clock import NativeClock
from runtime.sessions import local_date, session_days
from shm.counters import RunCounters
from shm.layouts import BOOK, TRADE
from shm.ring import RingWriter

EXCHANGE_TIMEZONE = "America/Sao_Paulo"  # the DLL's dates are local to it, whatever the instrument
SESSION_DAYS_BEFORE = 15
SESSION_DAYS = 60


class NativeContext:
    """Owns the memory. `address` is what kernels take; it is valid while this object lives."""

    def __init__(
        self,
        library: Library,
        instruments: tuple[Instrument, ...],
        writers: dict[str, RingWriter],
        run: RunCounters,
        counters: int,
        histogram: int,
        bell: int,
    ) -> None:
        self._kept: list[Any] = []
        self._array = np.zeros(1, state.CONTEXT)
        self.symbols = np.zeros(len(instruments), state.SYMBOL)
        self.staging = np.zeros(state.STAGED, state.STAGE)
        self.address = int(self._array.ctypes.data)
        self.instruments = instruments
        self._clock = NativeClock(SharedClock(run))
        values = {
            "trades_ring": writers["trades"].address,
            "book_ring": writers["book"].address,
            "candles_ring": writers["candles"].address,
            "wake": writers["trades"].wake,
            "own_bell": bell,
            "run_block": run.run_address,
            "counters": counters,
            "callback_histogram": histogram,
            "clock": self._clock.address,
            "translate_trade": library.address("TranslateTrade"),
            "side_count": library.address("GetPriceDepthSideCount"),
            "price_group": library.address("GetPriceGroup"),
            "symbols": int(self.symbols.ctypes.data),
            "symbol_count": len(instruments),
            "next_ingest_seq": 1,
            "utc_offsets": self._memory(utc_offsets(EXCHANGE_TIMEZONE)),
            "trade_scratch": self._memory(np.zeros(1, DLL_TRADE)),
            "group_scratch": self._memory(np.zeros(1, GROUP)),
            "staging": int(self.staging.ctypes.data),
            "history_symbol": -1,
        }
        for name, value in values.items():
            self._array[name] = value
        for index, instrument in enumerate(instruments):
            self._fill_symbol(index, instrument)

    def _memory(self, array: np.ndarray[Any, Any]) -> int:
        self._kept.append(array)
        return int(array.ctypes.data)

    def _fill_symbol(self, index: int, instrument: Instrument) -> None:
        symbol = self.symbols[index]
        symbol["ticker"] = code_units(instrument.symbol, state.TICKER_LENGTH)
        symbol["bar_ns"] = instrument.bar_seconds * 1_000_000_000
        symbol["park"] = self._memory(np.zeros(state.PARKED, TRADE))
        symbol["numbers"] = self._memory(np.zeros(state.NUMBER_BITS // 64, np.uint64))
        symbol["number_highest"] = -1
        symbol["session"] = -1

    def set_sessions(self, market_ns: int) -> None:
        """Make the tables of sessions around a market time (ns UTC), before the first event."""
        from zoneinfo import ZoneInfo

        for index, instrument in enumerate(self.instruments):
            today = local_date(market_ns, ZoneInfo(instrument.timezone))
            days = session_days(instrument, today - datetime.timedelta(days=SESSION_DAYS_BEFORE), SESSION_DAYS)
            self.symbols["sessions"][index] = self._memory(np.ascontiguousarray(days))
            self.symbols["session_count"][index] = len(days)

    def sessions(self, index: int) -> np.ndarray[Any, Any]:
        """int64[d, 2] as `runtime.sessions.session_days` made it for a symbol."""
        address = int(self.symbols["sessions"][index])
        return next(array for array in self._kept if int(array.ctypes.data) == address)

    def __getitem__(self, field: str) -> int:
        return int(self._array[field][0])

    def scratch(self) -> int:
        """Address of memory that holds any one record."""
        return self._memory(np.zeros(1, BOOK))
