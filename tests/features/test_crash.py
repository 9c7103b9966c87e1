"""The worker killed without warning, again and again, while a market is played: the ring has each vector once, bit for bit."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

from config.schema import Config, Features
from features.checkpoint import private_segments
from features.offline import compute
from shm.ring import RingReader
from tests.features.test_stage import assert_same
from tests.market_rings import Feed, MarketRings, read_all
from tests.processes import PROJECT, eventually
from tests.streams import NO_CANDLES, instrument, made

CAPACITY = 1 << 13
CHECKPOINT_EVENTS = 16  # so that many a kill falls into the writing of one
EVENTS_A_LIFE = 400  # at most
MOMENT_S = 0.1


class Worker:
    """One life of the worker, in a process of its own."""

    def __init__(self, rings: MarketRings) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.features.worker", rings.prefix, str(rings.capacity), str(CHECKPOINT_EVENTS)],
            cwd=PROJECT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> Worker:
        return self

    def wait_until_ready(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()


def live(feed: Feed, out: RingReader, rng: np.random.Generator, got: list[np.ndarray[Any, Any]]) -> None:
    """Publish for a random time, in bursts with pauses, so that the kill finds the worker anywhere, asleep too."""
    end = time.monotonic() + rng.uniform(0.0, MOMENT_S)
    sent = 0
    while time.monotonic() < end:
        if sent < EVENTS_A_LIFE:
            sent += feed.publish(min(int(rng.integers(1, 30)), EVENTS_A_LIFE - sent))
        got.append(read_all(out))
        if rng.random() < 0.3:
            time.sleep(rng.uniform(0.0, 0.005))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_random_moments(kills: int) -> None:
    one = instrument(2)
    stream = made(31, (kills + 1) * EVENTS_A_LIFE, dirt=0.05, mean_gap_s=0.2, jump_s=30.0)
    expected = compute(stream.trades, stream.book, NO_CANDLES, one)
    config = Config(instruments=(one,), features=Features(checkpoint_events=CHECKPOINT_EVENTS))
    with MarketRings(config, CAPACITY, private_segments(config)) as rings:
        feed, out = Feed(rings, stream), rings.reader("features", "oldest")
        rng = np.random.default_rng(kills)
        got: list[np.ndarray[Any, Any]] = []
        for kill in range(kills):
            with Worker(rings) as worker:
                if kill % 10 == 9:
                    time.sleep(rng.uniform(0.0, 1.5))  # perhaps before it stands
                else:
                    worker.wait_until_ready()
                    live(feed, out, rng, got)
                assert worker.process.poll() is None
            got.append(read_all(out))
        assert not feed.done, "every kill came while there was a market"
        with Worker(rings) as worker:
            worker.wait_until_ready()
            while feed.publish(200):
                got.append(read_all(out))

            def complete() -> bool:
                got.append(read_all(out))
                return sum(len(part) for part in got) >= len(expected)

            eventually(complete, f"{len(expected)} vectors", 60)
        assert out.lost == 0
        assert_same(np.concatenate(got), expected)
