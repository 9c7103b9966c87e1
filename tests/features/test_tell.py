"""The counters of the features stage against what they are counted from."""

from __future__ import annotations

import pytest

from config.schema import Config, Risk
from features.checkpoint import private_segments
from features.stage import FeatureStage
from features.tell import OWN, bits_of, not_to_be_traded_on
from shm.counters import StageCounters
from tests.market_rings import Feed, MarketRings, read_all
from tests.streams import instrument, made

REQUIRED = ("order_flow", "volume")


@pytest.mark.parametrize("required", [(), REQUIRED])
def test_after_each_batch_the_counters_say_what_was_done(required: tuple[str, ...]) -> None:
    """The market is of the second of two instruments; the stage takes it in batches of 512, events waiting behind it."""
    instruments = (instrument(10, symbol="WINFUT"), instrument(10))
    config = Config(instruments=instruments, risk=Risk(required_features=required))
    stream = made(5, 700, dirt=0.1)
    for records in (stream.trades, stream.book):
        records["symbol"] = 1
    with MarketRings(config, 2048, private_segments(config)) as rings:
        feed, context, stage = Feed(rings, stream), rings.context("features"), FeatureStage()
        stage.on_start(context)
        counters, out = context.counters, rings.reader("features")
        assert counters.get("unready_0") == counters.get("unready_1") == -1
        seen = 0
        while published := feed.publish(600):
            taken = stage.do_work()
            assert counters.get("behind") == published - taken - _held(stage)
            while stage.do_work():
                pass
            assert counters.get("behind") == 0
            vectors = read_all(out)
            seen += len(vectors)
            assert counters.get("vectors") == seen
            forbidden = not_to_be_traded_on(int(vectors[-1]["ready"]), bits_of(required))
            assert counters.get("unready_1") == forbidden
        assert seen and counters.get("unready_0") == -1
        assert counters.get("trades") + counters.get("snapshots") == seen


def _held(stage: FeatureStage) -> int:
    """Records in the merged reader's hands: taken off their ring and not yet played."""
    assert stage._reader is not None
    positions = sum(stage._reader.positions())
    return sum(reader.next_number for reader in stage._reader.readers.values()) - positions


def test_what_an_incarnation_counts_itself_is_added_to_what_earlier_ones_did() -> None:
    config = Config(instruments=(instrument(10),))
    counters = StageCounters.private()
    stream = made(5, 100, dirt=0.0)
    with MarketRings(config, 1024, private_segments(config)) as rings:
        counters.declare(*OWN)
        for number, name in enumerate(OWN):
            counters.set(name, 10 + number)
        stage = FeatureStage()
        stage.on_start(rings.context("features", counters, epoch=1))
        stream.trades["symbol"][3] = 7
        Feed(rings, stream).publish(len(stream.trades) + len(stream.book))
        while stage.do_work():
            pass
        own = {name: counters.get(name) for name in OWN}
        assert own == {"laps": 10, "unknown_symbol": 12, "lost": 12, "lost_candles": 13}
