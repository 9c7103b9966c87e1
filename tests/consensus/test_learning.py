"""Mark-outs by hand; and a council that learns over a generated market: who is right gains, restarts change nothing."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.messages import Signal
from config.schema import Config, Consensus, Instrument
from consensus.council import Council, Lesson
from consensus.learner import LearnedState
from consensus.markouts import Round
from consensus.volatility import NORMAL, REGIMES
from consensus.weights import SOURCES, start_weights

S = 1_000_000_000
START_NS = 1_763_035_200 * S
TICK = 0.5


def over(
    votes: list[float | None], mids: list[tuple[float, float]], horizons_s: list[float], cost: float = 0.4
) -> Round:
    """A round from mid 100 at second 0, through (second, mid)."""
    one = Round(0, votes, [round(h * S) for h in horizons_s], 100.0, cost, 0.5, NORMAL)
    for number, (second, mid) in enumerate(mids):
        assert one.see(round(second * S), mid) == (number == len(mids) - 1)
    return one


def test_a_vote_is_marked_at_its_own_horizon() -> None:
    marks = over([0.5, -1.0, None], [(3, 100.5), (4, 101.0), (9, 99.0), (10, 102.0)], [4, 10, 0]).marks()
    assert marks[2] is None
    assert marks[0] is not None and marks[1] is not None
    assert marks[0].net == pytest.approx(0.5 * 1.0 - 0.5 * 0.4)
    assert marks[0].gain == pytest.approx(marks[0].net / (0.4 + 2 * 0.5 * math.sqrt(4)))
    assert marks[1].net == pytest.approx(-1.0 * 2.0 - 1.0 * 0.4)
    assert marks[1].loss == pytest.approx((1 + 2.4 / (0.4 + 2 * 0.5 * math.sqrt(10))) / 2)


def test_an_outcome_nobody_saw_is_none() -> None:
    nan = math.nan
    late = over([1.0, 1.0], [(4, nan), (5, nan), (8, nan), (8.1, 150.0)], [4, 6])
    assert late.marks()[0] is None, "known again too late"
    second = late.marks()[1]
    assert second is not None and second.net == pytest.approx(50.0 - 0.4), "the first that was known"
    assert second.gain == 1.0, "clipped"


@given(st.floats(-1, 1), st.floats(-50, 50), st.floats(0, 5), st.floats(0, 5))
def test_losses_stay_in_their_interval_and_cost_is_never_a_gain(
    vote: float, move: float, cost: float, volatility: float
) -> None:
    def gain(of_cost: float) -> float:
        one = Round(0, [vote], [S], 100.0, of_cost, volatility, NORMAL)
        one.see(S, 100.0 + move)
        mark = one.marks()[0]
        assert mark is not None and 0.0 <= mark.loss <= 1.0
        return mark.net

    assert gain(cost) <= gain(0.0)


def config(**changes: object) -> Config:
    return Config(
        instruments=(Instrument(symbol="WDOFUT", tick=TICK, point_value=10.0, fee_per_contract=0.5),),
        consensus=Consensus(**{"adaptive": True, "learning_rate": 0.2, **changes}),  # type: ignore[arg-type]
    )


class World:
    """A market in steps of a quarter second: order_flow foresees it, liquidity foresees the opposite."""

    def __init__(self, council: Council, seed: int = 0) -> None:
        self.council = council
        self.lessons: list[Lesson] = []
        self._seed = seed
        self._number = 0

    def run(self, seconds: int, start_s: int = 0) -> None:
        generator = np.random.default_rng(self._seed)
        moves = generator.normal(0, 0.6, start_s + seconds + 10)
        mids = 5400 + np.round(np.cumsum(moves) / TICK) * TICK
        noise = np.random.default_rng(self._seed + 1).uniform(-1, 1, (start_s + seconds, 3))
        for quarter in range(4 * start_s, 4 * (start_s + seconds)):
            second, now_ns = quarter // 4, START_NS + quarter * S // 4
            if quarter % 4 == 0:
                ahead = 1.0 if mids[second + 5] > mids[second] else -1.0
                words = {"order_flow": ahead, "liquidity": -ahead}
                words |= dict(zip(("ml", "tape_reading", "footprint"), noise[second], strict=True))
                for source, direction in words.items():
                    self.say(source, float(direction), now_ns)
            lesson = self.council.learn(0, now_ns, float(mids[second]) - TICK / 2, float(mids[second]) + TICK / 2)
            if lesson is not None:
                self.lessons.append(lesson)

    def say(self, source: str, direction: float, now_ns: int) -> None:
        self._number += 1
        self.council.take(
            Signal(1, source, self._number, 0, 0, self._number, now_ns, 1, 2, 3, direction, 0.9, 5000, now_ns + 5 * S)
        )

    def now(self, source: str) -> float:
        """What its vote weighs in a decision in which everybody votes."""
        decision = self.council.decide(0, 7, START_NS)
        return next(weight for name, weight, *_ in decision.votes if name == source)


def fresh(**changes: object) -> World:
    settings = config(**changes)
    return World(Council(settings, start_weights(settings.consensus), {}))


def newest(world: World) -> dict[str, list[float]]:
    """regime -> learned weights."""
    return dict(zip(REGIMES, map(list, world.lessons[-1].state.weights), strict=True))


def test_who_is_right_gains_up_to_the_cap_and_who_is_wrong_falls_to_the_floor() -> None:
    world = fresh()
    world.run(2400)
    assert len(world.lessons) > 300
    weights = newest(world)[NORMAL]
    by_source = dict(zip(SOURCES, weights, strict=True))
    assert by_source["order_flow"] == pytest.approx(0.40), "the cap"
    assert by_source["liquidity"] == pytest.approx(0.25 * 0.12), "the floor"
    assert sum(weights) == pytest.approx(1.0)


def test_each_change_says_why_in_numbers() -> None:
    world = fresh()
    world.run(200)
    message = world.lessons[-1].message
    assert message.regime in REGIMES and message.applied and message.symbol == 0
    numbers = [lesson.message.sequence for lesson in world.lessons]
    assert numbers == list(range(len(world.lessons)))
    for source, vote, net_ticks, before, after in message.changes:
        assert f"{source} voted {vote:+.2f}, net {net_ticks:+.2f} ticks" in message.reason
        assert f"{before:.4f} -> {after:.4f}" in message.reason
    assert {source for source, *_ in message.changes} == set(SOURCES)
    for earlier, later in zip(world.lessons, world.lessons[1:], strict=False):
        if earlier.message.regime == later.message.regime:
            assert [after for *_, after in earlier.message.changes] == [b for *_, b, _ in later.message.changes]


def test_only_shown_unless_adaptive() -> None:
    shown, used = fresh(adaptive=False), fresh()
    shown.run(1200)
    used.run(1200)
    assert newest(shown) == newest(used), "the same is learned"
    assert not shown.lessons[-1].message.applied
    shown_votes = {source: shown.now(source) for source in ("order_flow", "tape_reading")}
    assert shown_votes["order_flow"] == pytest.approx(shown_votes["tape_reading"] * 0.18 / 0.15, rel=0.6)
    assert used.now("order_flow") > 1.5 * shown_votes["order_flow"]


def test_opposites_are_alike_too() -> None:
    """order_flow and liquidity say the same with another sign: neither adds what the other has not said."""
    world = fresh(adaptive=False)
    world.run(1200)
    assert world.now("order_flow") < 0.75 * 0.18 / (1 - 0.15)


def test_a_restart_goes_on_as_if_nothing_had_been() -> None:
    world = fresh()
    world.run(600)
    state = world.lessons[-1].state
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=LearnedState)
    assert again == state
    settings = config()
    restarted = World(Council(settings, start_weights(settings.consensus), {"WDOFUT": again}))
    restarted.run(600, start_s=600)
    assert restarted.council.forgotten == []
    assert restarted.lessons[0].state.rounds == state.rounds + 1
    first = restarted.lessons[0].message
    kept = dict(zip(SOURCES, again.weights[REGIMES.index(first.regime)], strict=True))
    for source, _, _, before, _ in first.changes:
        assert before == pytest.approx(kept[source], abs=1e-12)


def test_the_same_inputs_teach_the_same_bit_for_bit() -> None:
    one, two = fresh(), fresh()
    one.run(600)
    two.run(600)
    assert [lesson.state for lesson in one.lessons] == [lesson.state for lesson in two.lessons]


@pytest.mark.parametrize(
    "broken, why",
    [
        ({"start": (0.5, 0.1, 0.1, 0.15, 0.15)}, "others now"), ({"sources": ("ml",)}, "others now"),
        ({"regime": "rough"}, "not a state of this build"), ({"volatility": (math.nan,) * 4}, "not a state"),
        ({"similarity": (0.0,)}, "not a state"), ({"weights": ((0.2,) * 5,)}, "not a state"),
    ],
)  # fmt: skip
def test_a_state_that_does_not_fit_is_not_used_and_that_is_said(broken: dict[str, object], why: str) -> None:
    world = fresh()
    world.run(120)
    state = msgspec.structs.replace(world.lessons[-1].state, **broken)
    settings = config()
    council = Council(settings, start_weights(settings.consensus), {"WDOFUT": state})
    assert len(council.forgotten) == 1 and why in council.forgotten[0]
    other = World(council)
    other.run(120)
    assert newest(other) == newest(world), "it began anew"


def test_nothing_is_learned_without_a_market_or_without_time() -> None:
    world = fresh()
    for second in range(600):
        now_ns = START_NS + second * S
        world.say("order_flow", 1.0, now_ns)
        assert world.council.learn(0, now_ns, math.nan, 100.5) is None
        assert world.council.learn(0, 0, 100.0, 100.5) is None
        assert world.council.learn(0, now_ns, 101.0, 100.5) is None, "a crossed book"


def test_a_lone_voter_moves_no_weight() -> None:
    world = fresh()
    for second in range(300):
        now_ns = START_NS + second * S
        world.say("order_flow", 1.0, now_ns)
        lesson = world.council.learn(0, now_ns, 100.0 + second % 3, 100.5 + second % 3)
        if lesson is not None:
            world.lessons.append(lesson)
    assert len(world.lessons) > 20
    assert newest(world)[NORMAL] == pytest.approx(list(start_weights(Consensus()).nominal().values()))


def test_the_regime_is_told_and_chooses_the_weights() -> None:
    """Weights learned in one regime are not those of another."""
    world = fresh()
    world.run(1200)
    state = world.lessons[-1].state
    wild = tuple(start_weights(Consensus()).nominal().values())
    mixed = msgspec.structs.replace(state, weights=(state.weights[1], state.weights[1], wild), regime="wild")
    settings = config(correlation_rounds=0)
    council = Council(settings, start_weights(settings.consensus), {"WDOFUT": mixed})
    there = World(council)
    for source in SOURCES:
        there.say(source, 1.0, START_NS)
    decision = council.decide(0, 7, START_NS)
    assert decision.regime == "wild"
    assert [weight for _, weight, *_ in decision.votes] == pytest.approx(list(wild))


def test_a_horizon_without_end_does_not_hold_up_learning() -> None:
    world = fresh()
    world.run(60)
    book = world.council
    for second in range(60, 2000, 10):
        now_ns = START_NS + second * S
        endless = Signal(1, "ml", second, 5, 0, 1, now_ns, 1, 2, 3, 1.0, 0.9, 10**12, now_ns + 10 * S)
        book.take(endless)
        lesson = book.learn(0, now_ns, 5400.0 + second % 3, 5400.5 + second % 3)
        if lesson is not None and second > 700:
            return
    raise AssertionError("no round ended")


touches = st.one_of(st.just(math.nan), st.floats(5390, 5410), st.floats(allow_nan=True, allow_infinity=True))
events = st.one_of(
    st.tuples(st.just("say"), st.sampled_from(SOURCES), st.floats(), st.floats(), st.integers(-5, 10**7)),
    st.tuples(st.just("learn"), st.integers(0, 120 * S), touches, touches),
    st.tuples(st.just("decide")),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(events, min_size=20, max_size=120), st.booleans())
def test_whatever_comes_in_decisions_and_weights_keep_their_limits(
    steps: list[tuple[object, ...]], adaptive: bool
) -> None:
    settings_ = config(adaptive=adaptive, volatility_fast_s=2.0)
    start = start_weights(settings_.consensus)
    council = Council(settings_, start, {})
    nominal = list(start.nominal().values())
    now_ns, number = START_NS, 0
    for step in steps:
        match step:
            case "say", str(source), float(direction), float(confidence), int(horizon_ms):
                number += 1
                council.take(
                    Signal(
                        1, source, number, 0, 0, number, now_ns, 1, 2, 3, direction, confidence, horizon_ms,
                        now_ns + 30 * S,
                    )
                )  # fmt: skip
            case "learn", int(later_ns), float(bid), float(ask):
                now_ns += later_ns
                lesson = council.learn(0, now_ns, bid, ask)
                if lesson is None:
                    continue
                for row in lesson.state.weights:
                    assert sum(row) == pytest.approx(1.0)
                    for weight, first in zip(row, nominal, strict=True):
                        assert 0.25 * first - 1e-12 <= weight <= max(0.40, first) + 1e-12
                again = Council(settings_, start, {"WDOFUT": lesson.state})
                assert again.forgotten == []
            case _:
                decision = council.decide(0, 9, now_ns)
                weights = [weight for _, weight, *_ in decision.votes]
                assert all(weight >= 0.0 for weight in weights) and sum(weights) <= 1.0 + 1e-9
                assert len(decision.votes) + len(decision.abstained) == len(SOURCES)
                assert 0.10 <= decision.threshold <= 0.30
                if decision.action != "HOLD":
                    assert len(weights) >= 2 and sum(weights) >= 0.60 - 1e-9
                    assert abs(decision.total) >= decision.threshold
                    assert (decision.total > 0) == (decision.action == "BUY")
