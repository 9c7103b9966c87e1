"""Waking a process that sleeps at its bell, against a bare futex between the same two processes."""

from __future__ import annotations

import random
import sys
import time

import numpy as np

from benchmarks.measure import Result, row
from benchmarks.partners import PING, PONG, WORDS_HASH, WORDS_SIZE, FutexWord
from benchmarks.scene import Scene
from shm.doorbell import Bell
from shm.layouts import TRADE
from shm.ring import RingReader, RingWriter
from shm.segment import Segment

CAPACITY = 1024
ROUNDS = 5_000
RINGS = {"there": (TRADE, CAPACITY), "back": (TRADE, CAPACITY)}
SEED = 7


def run() -> Result:
    """Half of a round trip in which both sides sleep is a wake-up. The two are measured one after the other."""
    if sys.platform != "linux":
        raise OSError("the doorbell benchmark compares with a futex; run it on Linux")
    with Scene(RINGS) as scene:
        words = Segment.create(scene.prefix + "words", WORDS_SIZE, 64, 1, WORDS_HASH)
        scene.keep(words)
        partner = scene.partner("futexes", words.name, str(ROUNDS))
        bare, word = [], FutexWord(words)
        for number in range(1, ROUNDS + 1):
            began = time.perf_counter_ns()
            word.wake(PING, number)
            word.wait(PONG, number)
            bare.append((time.perf_counter_ns() - began) / 2)
        partner.wait(60)
        wakes = _wakes(scene, ROUNDS, 0.0)
    rows = [row("doorbell with a record", wakes), row("bare futex", bare)]
    ratio = rows[0].p50_ns / rows[1].p50_ns
    return Result(
        "doorbell", "wake-up of a sleeping process", rows, ratio, "doorbell / futex", "p50 <= 1.5", ratio <= 1.5
    )


def paced(rounds: int, pause_s: float) -> list[float]:
    """Wake-ups in ns, with an uneven pause of that mean before each round: who is called first has slept, as between two
    ticks; who is called back has slept as long as the other took."""
    with Scene(RINGS) as scene:
        return _wakes(scene, rounds, pause_s)


def _wakes(scene: Scene, rounds: int, pause_s: float) -> list[float]:
    dice = random.Random(SEED)
    partner = scene.partner("bells", scene.prefix, str(rounds), str(CAPACITY))
    bell = Bell(scene.doorbells, 2)
    writer = RingWriter(scene.rings["there"], TRADE, scene.doorbells)
    reader = RingReader(scene.rings["back"], TRADE, bell)
    record, out, wakes = np.zeros(1, TRADE), np.zeros(1, TRADE), []
    for _ in range(rounds):
        if pause_s:
            time.sleep(dice.uniform(0.5, 1.5) * pause_s)
        began = time.perf_counter_ns()
        writer.publish(record)
        while not reader.read(out):
            bell.wait()
        wakes.append((time.perf_counter_ns() - began) / 2)
    partner.wait(60)
    return wakes
