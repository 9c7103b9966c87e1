"""A feature worker in a process of its own over a test's rings, to be killed.

`python -m tests.features.worker PREFIX CAPACITY CHECKPOINT_EVENTS`
"""

from __future__ import annotations

import sys

from config.schema import Config, Features
from features.checkpoint import private_segments
from features.stage import FeatureStage
from tests.market_rings import MarketRings
from tests.streams import instrument


def main(prefix: str, capacity: str, checkpoint_events: str) -> None:
    config = Config(instruments=(instrument(2),), features=Features(checkpoint_events=int(checkpoint_events)))
    rings = MarketRings(config, int(capacity), private_segments(config), prefix)
    stage = FeatureStage()
    stage.on_start(rings.context("features"))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:  # the test ends it
        stage.do_work()


if __name__ == "__main__":
    main(*sys.argv[1:])
