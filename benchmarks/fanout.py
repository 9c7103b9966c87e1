"""One writer, six sleeping readers: 500,000 records a second for ten seconds, and nobody may be lapped."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.measure import Result, Row
from benchmarks.scene import Scene
from shm.jit import kernel
from shm.layouts import RINGS, TRADE
from shm.ring import RingWriter, ring_publish

CAPACITY = RINGS["trades"][1]
READERS = 6
PER_SECOND = 500_000
SECONDS = 10
BURST = 500  # a thousand bursts a second


@kernel("void(uintp, uintp, uintp, int64)")
def burst(ring, record, wake, count):  # type: ignore[no-untyped-def]
    for _ in range(count):
        ring_publish(ring, record, wake)


def run() -> Result:
    """The rate is held by a schedule, not by the readers; a writer that falls behind says so."""
    with Scene({"fan": (TRADE, CAPACITY)}) as scene:
        partners = [scene.partner("fan", scene.prefix, str(CAPACITY), str(number)) for number in range(1, READERS + 1)]
        writer = RingWriter(scene.rings["fan"], TRADE, scene.doorbells)
        record = np.zeros(1, TRADE)
        began = time.perf_counter()
        bursts = PER_SECOND * SECONDS // BURST
        for number in range(bursts):
            burst(writer.address, record.ctypes.data, writer.wake, BURST)
            ahead = began + (number + 1) * BURST / PER_SECOND - time.perf_counter()
            if ahead > 0:
                time.sleep(ahead)
        took = time.perf_counter() - began
        record["quantity"] = -1
        writer.publish(record)
        written = bursts * BURST + 1
        lapped = 0
        for process in partners:
            assert process.stdout is not None
            taken, lost, laps = (int(part) for part in process.stdout.readline().split())
            if taken + lost != written:
                raise RuntimeError(f"a reader accounts for {taken + lost} of {written} records")
            lapped += laps
    rate = written / took
    rows = [Row("written", per_second=rate, note=f"{written} records in {took:.2f} s, {READERS} readers")]
    return Result(
        "fanout", "one writer, six blocking readers", rows, None, "", "0 lapped", lapped == 0, {"lapped": lapped}
    )
