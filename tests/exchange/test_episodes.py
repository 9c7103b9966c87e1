"""Every planted kind leaves its signature in trades and book, every decoy does not; the truth says when and where."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from config.schema import PlantedEpisode
from exchange import episodes, ground_truth
from exchange.episodes import BadSchedule
from exchange.generated_market import GeneratedMarket
from exchange.ground_truth import Episode
from tests.exchange.kit import SECOND_NS, START_NS, TICK, instrument
from tests.exchange.signatures import SIGNATURES, scene

FIRST_S, APART_S = 600.0, 120.0
SIDES = {"p_profile": ("buy",), "b_profile": ("sell",)}


def plan() -> tuple[PlantedEpisode, ...]:
    """Each kind on each side, as itself and as a decoy, with time to calm down between."""
    kinds = [
        (kind, side, decoy)
        for decoy, kind in product((False, True), SIGNATURES)
        for side in SIDES.get(kind, ("buy", "sell"))
    ]
    return tuple(
        PlantedEpisode(kind=kind, side=side, decoy=decoy, at_s=FIRST_S + APART_S * i)
        for i, (kind, side, decoy) in enumerate(kinds)
    )


def market(planted: tuple[PlantedEpisode, ...], told: list[Episode], **fields) -> GeneratedMarket:
    chosen = {"seed": 1, "trades_per_s": 20.0, "episodes_per_hour": 0.0, "start_price": 5400.0} | fields
    return GeneratedMarket(
        (instrument(),), start_ns=START_NS, close_ns=[START_NS + 8 * 3600 * SECOND_NS], planted=planted,
        tell_truth=told.append, **chosen,
    )  # fmt: skip


class Played:
    """A market with the whole plan, played once for all tests."""

    def __init__(self) -> None:
        self.plan = plan()
        self.told: list[Episode] = []
        source = market(self.plan, self.told)
        batches = []
        while (batch := source.advance(START_NS + int((self.plan[-1].at_s + APART_S) * 1e9), 2048)) is not None:
            batches.append(batch)
        self.trades = np.concatenate([batch.trades for batch in batches])["body"]
        self.books = np.concatenate([batch.books for batch in batches])["body"]
        self.planted = [episode for episode in self.told if episode.planted]

    def scene(self, episode: Episode):
        return scene(self.trades, self.books, TICK, episode.start_ns, episode.end_ns, episode.side)


@pytest.fixture(scope="module")
def played() -> Played:
    return Played()


@pytest.mark.parametrize("number", range(len(plan())))
def test_signature(played, number):
    wanted = played.plan[number]
    episode = played.planted[number]
    assert (episode.kind, episode.side, episode.decoy) == (wanted.kind, wanted.side, wanted.decoy)
    assert episode.start_ns == START_NS + int(wanted.at_s * 1e9)
    assert SIGNATURES[episode.kind](played.scene(episode)) == (not episode.decoy)


def test_quiet_stretches_show_nothing(played):
    """Between the episodes, over as long a time, no signature of a pattern that lasts is there."""
    lasting = [kind for kind in SIGNATURES if kind not in ("sweep", "iceberg")]  # these two come about by themselves
    for number in range(0, len(played.plan), 5):
        start_ns = played.planted[number].start_ns - 50 * SECOND_NS
        quiet = scene(played.trades, played.books, TICK, start_ns, start_ns + 40 * SECOND_NS, "buy")
        assert [kind for kind in lasting if SIGNATURES[kind](quiet)] == []


def test_decoys_trade_the_volume_of_what_they_imitate(played):
    for kind in SIGNATURES:
        real, decoy = (
            np.mean([each.volume for each in played.planted if each.kind == kind and each.decoy == which])
            for which in (False, True)
        )
        assert 0.4 < decoy / real < 2.5, (kind, real, decoy)


def test_truth_of_what_came_about_by_itself_is_seen_in_the_trades(played):
    found = [episode for episode in played.told if not episode.planted]
    sweeps = [episode for episode in found if episode.kind == "sweep"]
    icebergs = [episode for episode in found if episode.kind == "iceberg"]
    assert sweeps
    assert icebergs
    for episode in sweeps:
        at = played.trades[played.trades["ts_ns"] == episode.start_ns]
        assert len(np.unique(at["price"])) >= 4
        assert at["quantity"].sum() == episode.volume
        assert (at["trade_type"] == (2 if episode.side == "buy" else 3)).all()
    for episode in icebergs:
        inside = (played.trades["ts_ns"] >= episode.start_ns) & (played.trades["ts_ns"] <= episode.end_ns)
        at = played.trades[inside & (played.trades["price"] == episode.price)]
        assert at["quantity"][at["trade_type"] == (3 if episode.side == "buy" else 2)].sum() >= episode.volume


def test_every_sweep_in_the_trades_is_in_the_truth(played):
    prices: dict[int, set[float]] = {}
    for trade in played.trades:
        prices.setdefault(int(trade["ts_ns"]), set()).add(float(trade["price"]))
    seen = {ts for ts, at in prices.items() if len(at) >= 4}
    told = {episode.start_ns for episode in played.told if episode.kind == "sweep" and not episode.planted}
    own = [(episode.start_ns, episode.end_ns) for episode in played.planted]
    assert {ts for ts in seen if not any(start <= ts <= end for start, end in own)} <= told


def test_schedule_from_the_seed():
    def schedule(seed: int, per_hour: float = 20.0, planted=(), rate: float = 20.0):
        rng = np.random.default_rng(seed)
        return episodes.schedule(rng, planted, per_hour, START_NS, START_NS + 9 * 3600 * SECOND_NS, rate)

    script = schedule(1)
    assert script.tobytes() == schedule(1).tobytes() != schedule(2).tobytes()
    assert (script["end_ns"] > script["start_ns"]).all()
    assert (script["start_ns"][1:] >= script["end_ns"][:-1]).all()
    assert 120 <= script["first"].sum() <= 200
    assert schedule(1, rate=5.0)["first"].sum() < 0.6 * script["first"].sum()
    assert script["first"].sum() == script["last"].sum()
    begins = script[script["first"] == 1]
    assert set(begins["kind"]) == set(range(len(ground_truth.KINDS)))
    assert 0.2 < begins["decoy"].mean() < 0.47
    assert (begins["side"][begins["kind"] == ground_truth.P_PROFILE] == 1).all()
    assert (begins["side"][begins["kind"] == ground_truth.B_PROFILE] == -1).all()
    assert len(schedule(1, per_hour=0.0)) == 0
    slow = schedule(1, rate=1.0)
    assert (slow["end_ns"] - slow["start_ns"]).max() == 10 * (script["end_ns"] - script["start_ns"]).max()
    fixed = PlantedEpisode(kind="sweep", at_s=300.0)
    both = schedule(1, planted=(fixed,))
    assert START_NS + 300 * SECOND_NS in both["start_ns"]
    assert (both["start_ns"][1:] >= both["end_ns"][:-1]).all()


def test_configured_episodes_that_overlap_are_refused():
    overlapping = (PlantedEpisode(kind="absorption", at_s=10.0), PlantedEpisode(kind="sweep", at_s=20.0))
    with pytest.raises(BadSchedule, match="sweep at 20 s begins before"):
        market(overlapping, [])


def test_same_seed_same_market_and_truth_whatever_the_steps():
    outcomes = []
    for step_s, limit in ((120.0, 2048), (0.5, 5)):
        told: list[Episode] = []
        planted = tuple(
            PlantedEpisode(kind=kind, at_s=5.0 + 60.0 * i) for i, kind in enumerate(("unfinished_auction", "stop_run"))
        )
        source = market(planted, told)
        data = []
        for until in np.arange(step_s, 120.0 + step_s, step_s):
            while (batch := source.advance(START_NS + int(until * 1e9), limit)) is not None:
                data += [batch.trades.tobytes(), batch.books.tobytes()]
        outcomes.append((told, b"".join(data[0::2]), b"".join(data[1::2])))
    assert outcomes[0] == outcomes[1]
    assert [episode.kind for episode in outcomes[0][0] if episode.planted] == ["unfinished_auction", "stop_run"]
