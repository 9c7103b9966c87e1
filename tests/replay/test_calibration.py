"""The calibration report: intervals against the formula's meaning, hand-made journals, and a recorded run from end to end."""

from __future__ import annotations

import doctest
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import supervisor
from bus.messages import Decision, Signal
from config.schema import Config, Consensus, Instrument
from consensus.weights import SOURCES
from execution.events import MarketSeen, Publish, SignalSeen, Started, Tick, UpstreamSeen
from execution.journal import read_records
from execution.journal_keeper import journal_of
from replay import calibration
from replay.calibration import Calibration, SourceReport, calibrate, calibrate_run, wilson
from replay.calibration_text import as_svg, as_text
from runtime.run_info import RunInfo
from tests.execution.rig import Rig

S = 1_000_000_000
CONFIG = Config(instruments=(Instrument(symbol="WDOFUT", tick=0.5, point_value=10.0, fee_per_contract=1.0),))


def test_examples_in_docstrings() -> None:
    result = doctest.testmod(calibration)
    assert result.attempted > 0 and result.failed == 0


@given(st.integers(1, 400), st.floats(0, 1))
def test_the_interval_holds_the_rates_that_the_hits_do_not_refute(trials: int, share: float) -> None:
    """Wilson's bounds are where the normal test of a rate just does not reject."""
    hits = round(share * trials)
    low, high = wilson(hits, trials)
    assert 0.0 <= low <= hits / trials <= high <= 1.0
    for bound in (low, high):
        if 0.0 < bound < 1.0:
            deviation = abs(hits / trials - bound) / math.sqrt(bound * (1 - bound) / trials)
            assert deviation == pytest.approx(1.959963984540054, rel=1e-6)


def test_without_trials_there_is_no_interval() -> None:
    assert all(math.isnan(bound) for bound in wilson(0, 0))


def started(at_s: float = 0.0, epoch: int = 0, run: str = "") -> Started:
    return Started(round(at_s * S), round(at_s * S), epoch, "paper", run)


def market(at_s: float, bid: float, ask: float) -> MarketSeen:
    at = round(at_s * S)
    return MarketSeen(at, at, 0, 1, at, at, bid, bid, ask)


def vote(at_s: float, direction: float, confidence: float, source: str = "order_flow", **changes: Any) -> SignalSeen:
    at = round(at_s * S)
    fields: dict[str, Any] = {
        "version": 1, "source": source, "sequence": at, "epoch": 0, "symbol": 0, "ingest_seq": 1, "ts_ns": at,
        "recv_ns": 1, "features_publish_ns": 1, "publish_ns": 1, "direction": direction, "confidence": confidence,
        "horizon_ms": 5000, "valid_until_ns": at + 5 * S,
    }  # fmt: skip
    return SignalSeen(at, at, Signal(**{**fields, **changes}))


def of(records: list[Any], source: str = "order_flow") -> calibration.SourceReport:
    found = calibrate(CONFIG, records)
    return next(one for one in found.sources if one.source == source)


def test_a_vote_is_judged_by_the_market_after_its_horizon() -> None:
    one = of([started(), market(1, 100.0, 100.5), vote(1, 0.5, 0.8), market(5.9, 90.0, 90.5), market(6, 101.5, 102.0), Tick(7 * S, 7 * S)])  # fmt: skip  # noqa: E501
    assert (one.votes, one.judged, one.moved, one.hits) == (1, 1, 1, 1)
    assert one.move_ticks == pytest.approx(3.0)
    # half the spread 0.5 ticks; fees 2 money of 10 a point: 0.2 points, 0.4 ticks
    assert one.net_ticks == pytest.approx(0.4 * 3.0 - 0.4 * 0.9)
    assert one.brier == pytest.approx((0.9 - 1.0) ** 2)
    assert [place.moved for place in one.bins] == [0, 0, 0, 0, 1]


def test_the_move_that_a_vote_saw_is_not_its_own() -> None:
    records = [started(), market(0.8, 100.0, 100.5), vote(1, 1.0, 0.5), market(1.2, 101.0, 101.5), market(6.1, 101.0, 101.5), Tick(7 * S, 7 * S)]  # fmt: skip  # noqa: E501
    one = of(records)
    assert (one.judged, one.moved) == (1, 0), "from the first quote at or after it"


def test_what_overlaps_abstains_expired_or_was_not_seen_does_not_count() -> None:
    quiet = [market(second, 100.0, 100.5) for second in range(1, 30)]
    votes = [
        vote(1, 1.0, 0.5), vote(3, 1.0, 0.5), vote(6, 1.0, 0.5), vote(9, 1.0, 0.5, abstains="cold"),
        vote(9.5, 1.0, 0.5, valid_until_ns=9 * S), vote(9.6, math.nan, 0.5), vote(27, 1.0, 0.5),
    ]  # fmt: skip
    records = [started(), *sorted([*quiet, *votes], key=lambda record: record.market_ns)]
    one = of(records)
    assert (one.votes, one.judged, one.moved) == (4, 2, 0)


def test_nothing_is_judged_over_a_death_or_an_outage() -> None:
    one = of([started(), market(1, 100.0, 100.5), vote(1, 1.0, 0.5), started(3, 1), market(6, 110.0, 110.5), Tick(9 * S, 9 * S)])  # fmt: skip  # noqa: E501
    assert (one.votes, one.judged) == (1, 0)
    down = UpstreamSeen(6 * S, 6 * S, "ingest is down")
    one = of([started(), market(1, 100.0, 100.5), vote(1, 1.0, 0.5), down, market(6.5, 100.0, 100.5), Tick(9 * S, 9 * S)])  # fmt: skip  # noqa: E501
    assert (one.votes, one.judged) == (1, 0)


def test_only_the_run_that_was_asked_for() -> None:
    def run(name: str, at_s: float) -> list[Any]:
        later = [market(at_s + second, 100.0 + second, 100.5 + second) for second in range(1, 9)]
        return [started(at_s, run=name), vote(at_s + 0.5, 1.0, 0.5), *later]

    found = calibrate(CONFIG, [*run("one", 0), *run("two", 20), *run("one", 40)], "one")
    assert found.incarnations == 2
    assert next(one for one in found.sources if one.source == "order_flow").judged == 2


def test_a_source_that_says_how_sure_it_is_lies_on_its_line() -> None:
    """Thousands of votes whose confidence is true: each bin's interval holds what it claims."""
    generator = np.random.default_rng(11)
    records: list[Any] = [started()]
    for number in range(4000):
        at_s, confidence = 10.0 * number + 1, float(generator.uniform(0, 1))
        direction = 1.0 if generator.random() < 0.5 else -1.0
        right = generator.random() < (1 + confidence) / 2
        move = direction if right else -direction
        records += [market(at_s, 100.0, 100.5), vote(at_s, direction, confidence)]
        records += [market(at_s + 5, 100.0 + move, 100.5 + move)]
    one = of([*records, Tick(10**18, 10**18)])
    assert one.moved == 4000 and all(place.moved > 500 for place in one.bins)
    for place in one.bins:
        low, high = wilson(place.hits, place.moved, 3.5)
        assert low <= place.claimed <= high
    assert one.brier / one.moved == pytest.approx(1 / 4 - 1 / 12, abs=0.01)  # mean of p (1 - p), p uniform in 0.5 ... 1


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A recorded run: two trades of the four agents, a restart between them."""
    rig = Rig(tmp_path_factory.mktemp("calibration"), consensus=Consensus(decide_every_ms=100))
    for direction in (1.0, -1.0):
        rig.start()
        rig.show(100.0, 100.5)
        rig.run(1_500)
        rig.enter(direction)
        rig.show(100.0 + direction, 100.5 + direction)
        rig.run(200)
        rig.enter(-direction)
        rig.run(6_500, step_ms=50)
        rig.stage.on_close()
        rig.broker.new_session()
    RunInfo(folder=str(rig.folder), prefix="", supervisor_pid=1, config=rig.config, bus_ports={}, dll_path="").write()
    yield rig.folder


def test_the_profit_of_a_run_is_shared_among_its_voters(run_folder: Path) -> None:
    found = calibrate_run(run_folder)
    assert found.incarnations == 2 and found.money.closed == 2
    assert found.money.unexplained == -2.0, "the fees of what is still open"
    explained = found.money.realised - found.money.unexplained
    assert sum(found.money.profit.values()) == pytest.approx(explained)
    assert explained != 0.0
    decisions = [
        record.message
        for record in read_records(journal_of(CONFIG, run_folder))
        if isinstance(record, Publish) and isinstance(record.message, Decision)
    ]
    assert found.decisions == len(decisions)
    shares = {source: found.money.profit[source] / explained for source in SOURCES}
    assert shares["ml"] == 0.0 and found.money.trades["ml"] == 0
    assert shares["order_flow"] > shares["liquidity"] > 0.0


def test_text_and_picture_are_the_same_each_time(run_folder: Path, capsys: Any, tmp_path: Path) -> None:
    pictures = []
    texts = []
    for name in ("one.svg", "two.svg"):
        assert supervisor.main(["report", "calibration", str(run_folder), "--svg", str(tmp_path / name)]) == 0
        texts.append(capsys.readouterr().out)
        pictures.append((tmp_path / name).read_text(encoding="utf-8"))
    assert texts[0] == texts[1] and pictures[0] == pictures[1]
    found = calibrate_run(run_folder)
    assert texts[0] == as_text(found)
    assert pictures[0] == as_svg(found, f"calibration of {run_folder.name}")
    words = "".join(ElementTree.fromstring(pictures[0]).itertext())
    assert all(source in words and f"\n{source}" in texts[0] for source in SOURCES)


@pytest.mark.parametrize(("moved", "warned"), [(0, False), (1, True), (29, True), (30, False)])
def test_a_rate_of_few_votes_is_told_as_one(moved: int, warned: bool) -> None:
    text = as_text(Calibration([SourceReport("ml", votes=50, judged=40, moved=moved, hits=moved)]))
    assert (f"may be chance: ml ({moved})" in text) is warned


def test_a_folder_without_a_run_is_refused(tmp_path: Path, capsys: Any) -> None:
    assert supervisor.main(["report", "calibration", str(tmp_path)]) == 2
    assert "is not the folder of a run" in capsys.readouterr().err
    RunInfo(folder=str(tmp_path), prefix="", supervisor_pid=1, config=CONFIG, bus_ports={}, dll_path="").write()
    assert supervisor.main(["report", "calibration", str(tmp_path)]) == 2
    assert "no journal" in capsys.readouterr().err
