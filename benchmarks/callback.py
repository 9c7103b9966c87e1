"""From the DLL's callback to a record in the ring: machine code against Python, on a thread that the DLL would own.

A foreign thread calls each callback many times, as the ConnectorThread does: the native one, a ctypes one whose thread
state is kept, and a plain ctypes one. All translate the trade by the same function and publish one record. Linux and
Windows threads are made by the system itself, so Python does not know them.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy as np

from benchmarks.measure import Result, row
from benchmarks.scene import Scene
from config.schema import Instrument
from ingest import state
from ingest.callbacks import on_trade
from ingest.native_context import NativeContext
from ingest.trades import DLL_TRADE
from profitdll.callbacks import keep_thread_state
from profitdll.structs import TConnectorAssetIdentifier
from runtime.clock import set_market_clock
from shm.atomics import at, call_2, call_3
from shm.counters import RunCounters
from shm.jit import callback
from shm.layouts import KIND_TRADE, TRADE
from shm.ring import RingWriter

from numba import carray  # isort: skip

BATCHES = 60
NATIVE_BATCH = 20_000
PYTHON_BATCH = 400
MIDDAY = (2026, 11, 20, 12)

# words of the loop's job: callback | identifier | calls a batch | batches | out (ns of each batch) | clock | scratch
JOB_WORDS = 7


@callback("int32(uintp, uintp)")
def translate(opaque, out):  # type: ignore[no-untyped-def]
    """TranslateTrade of a DLL that does nothing else: the opaque value is the trade's number."""
    trade = carray(at(out), 1, DLL_TRADE)[0]
    trade.year = MIDDAY[0]
    trade.month = MIDDAY[1]
    trade.day = MIDDAY[2]
    trade.hour = MIDDAY[3]
    trade.minute = 0
    trade.second = 0
    trade.millisecond = 0
    trade.number = opaque
    trade.price = 5000.0
    trade.quantity = 1
    trade.trade_type = 2
    trade.buyer = 3
    trade.seller = 8
    return 0


@callback("uintp(uintp)")
def caller(job):  # type: ignore[no-untyped-def]
    """The thread: calls a callback in batches and notes how long each took."""
    words = carray(at(job), JOB_WORDS, np.uint64)
    out = carray(at(np.uint64(words[4])), np.int64(words[3]), np.int64)
    scratch = carray(at(np.uint64(words[6])), 2, np.int64)
    number = 1
    for batch in range(np.int64(words[3])):
        call_2(np.uint64(words[5]), 1, np.int64(words[6]))
        began = scratch[0] * 1_000_000_000 + scratch[1]
        for _ in range(np.int64(words[2])):
            call_3(np.uint64(words[0]), np.int64(words[1]), number, 0)
            number += 1
        call_2(np.uint64(words[5]), 1, np.int64(words[6]))
        out[batch] = scratch[0] * 1_000_000_000 + scratch[1] - began
    return np.uint64(0)


def _on_foreign_thread(function: int, identifier: int, batch: int) -> Any:
    """ns per call of each batch, called from a thread that Python did not make."""
    out, scratch = np.zeros(BATCHES, np.int64), np.zeros(2, np.int64)
    library = ctypes.CDLL(None)
    clock = ctypes.cast(library.clock_gettime, ctypes.c_void_p).value
    job = np.array([function, identifier, batch, BATCHES, out.ctypes.data, clock, scratch.ctypes.data], np.uint64)
    thread = ctypes.c_ulong()
    start = ctypes.c_void_p(caller.address)
    if library.pthread_create(ctypes.byref(thread), None, start, ctypes.c_void_p(job.ctypes.data)):
        raise OSError("no thread could be made")
    library.pthread_join(thread, None)  # ctypes gives the GIL back while it waits
    return out / batch


def run() -> Result:
    """Native against ctypes with the thread state kept, and plain ctypes."""
    if sys.platform != "linux":
        raise OSError("the callback benchmark makes its threads with pthread_create; run it on Linux")
    with Scene({"trades": (TRADE, 1 << 16), "book": (TRADE, 64), "candles": (TRADE, 1024)}) as scene:
        return _measure(scene)


def _measure(scene: Scene) -> Result:
    writers = {ring: RingWriter(scene.rings[ring], scene.dtypes[ring], scene.doorbells) for ring in scene.rings}
    counters = RunCounters.create(scene.prefix + "counters")
    scene.keep(counters.segment)
    set_market_clock(counters, 1, 0, 1.0)
    block = counters.stage(1)
    block.declare(*state.COUNTERS)

    class Dll:
        """Stands for the library: only addresses are asked of it."""

        def address(self, name: str) -> int:
            return int(translate.address)

    instrument = Instrument(symbol="WDOFUT", tick=0.5, point_value=10.0)
    first, histogram = block.value_address(state.COUNTERS[0]), block.histogram("callback").address
    native = NativeContext(Dll(), (instrument,), writers, counters, first, histogram, 1)  # type: ignore[arg-type]
    native.set_sessions(1_795_000_000_000_000_000)
    state.install(native.address)
    who = TConnectorAssetIdentifier(0, "WDOFUT", "F", 0)

    python = _python_callbacks(writers["trades"])
    samples = {"native": _on_foreign_thread(on_trade.address, ctypes.addressof(who), NATIVE_BATCH)}
    for name, function in python.items():
        samples[name] = _on_foreign_thread(
            ctypes.cast(function, ctypes.c_void_p).value or 0, ctypes.addressof(who), PYTHON_BATCH
        )
    state.install(0)
    published = writers["trades"].cursor
    expected = BATCHES * (NATIVE_BATCH + PYTHON_BATCH * len(python))
    if published != expected:
        raise RuntimeError(f"{expected} trades were called and {published} stand in the ring")
    rows = [row(name, values, 1e9 / float(np.median(values))) for name, values in samples.items()]
    ratio = rows[0].p50_ns / rows[1].p50_ns
    per_second = rows[0].per_second
    return Result(
        "callback",
        "DLL callback to ring record, one trade",
        rows,
        ratio,
        "native / ctypes with the thread state kept",
        "<= 0.1 and >= 5,000,000 trades/s",
        ratio <= 0.1 and per_second >= 5e6,
        {"trades_per_second": round(per_second)},
    )


def _python_callbacks(writer: RingWriter) -> dict[str, Any]:
    """The same work in Python: translate, fill one numpy record, publish it."""
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32)
    trade, record = np.zeros(1, DLL_TRADE), np.zeros(1, TRADE)
    trade_address = trade.ctypes.data
    function = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_size_t, ctypes.c_size_t)(translate.address)

    def publish(opaque: int) -> None:
        function(opaque, trade_address)
        source, target = trade[0], record[0]
        target["price"] = source["price"]
        target["quantity"] = source["quantity"]
        target["trade_number"] = source["number"]
        target["aggressor"] = 1 if source["trade_type"] == 2 else -1
        target["kind"] = KIND_TRADE
        writer.publish(record)

    def kept(identifier: int, opaque: int, flags: int) -> None:
        keep_thread_state()
        publish(opaque)

    def plain(identifier: int, opaque: int, flags: int) -> None:
        publish(opaque)

    return {"ctypes, thread state kept": kind(kept), "ctypes, plain": kind(plain)}
