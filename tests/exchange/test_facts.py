"""Stylised facts against slow twins and known cases; the page and its pictures; captures where they are."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.load import load
from exchange import intraday
from exchange.facts import document, page, sources
from exchange.facts import statistics as facts
from exchange.facts.chart import Axis, Line, chart
from exchange.facts.statistics import Tape
from exchange.generate_options import DAY
from tests import captures

SECOND = facts.SECOND_NS


def tape(trades: list[tuple[float, int, int]], quotes: list[tuple[float, int, int]]) -> Tape:
    """trades: (second, quantity, sign); quotes: (second, bid, ask)."""
    a, b = np.array(trades), np.array(quotes)
    return Tape(
        (a[:, 0] * SECOND).astype(np.int64), a[:, 1].astype(np.int64), a[:, 2].astype(np.int64),
        (b[:, 0] * SECOND).astype(np.int64), b[:, 1].astype(np.int64), b[:, 2].astype(np.int64),
    )  # fmt: skip


SMALL = tape(
    [(0, 2, 1), (0, 3, 1), (0, 4, -1), (1, 5, 1), (2, 6, 0), (59, 1, -1), (61, 7, -1), (130, 7, 1)],
    [(0, 10, 11), (1, 10, 12), (4, 11, 12), (10, 12, 30), (130, 12, 13)],
)


def test_trades_of_one_instant_and_side_are_one_order():
    quantity, sign = facts.orders(SMALL)
    assert quantity.tolist() == [5, 4, 5, 1, 7, 7]
    assert sign.tolist() == [1, -1, 1, -1, -1, 1]


def test_spread_is_weighted_by_time():
    shares = facts.spread_shares(SMALL)
    assert shares.tolist() == pytest.approx([7 / 130, 3 / 130, 0, 0, 0, 0, 0, 120 / 130])


def test_returns_take_the_quote_that_stood():
    assert facts.returns(SMALL, 1)[:5].tolist() == [0.5, 0.0, 0.0, 0.5, 0.0]
    assert facts.returns(SMALL, 10)[:2].tolist() == [10.5, 0.0]
    assert facts.volume_by_minute(SMALL).tolist() == pytest.approx([21 / 14, 7 / 14])


@given(st.lists(st.integers(-3, 3), min_size=4, max_size=60), st.integers(1, 5))
def test_autocorrelation_is_its_definition(values, lag):
    found = facts.autocorrelation(np.array(values), (lag,))[0]
    mean = sum(values) / len(values)
    variance = sum((each - mean) ** 2 for each in values) / len(values)
    if len(values) < 2 * lag or variance < 1e-12:
        assert np.isnan(found)
    else:
        pairs = [(a - mean) * (b - mean) for a, b in zip(values[lag:], values[:-lag], strict=True)]
        assert found == pytest.approx(sum(pairs) / len(pairs) / variance, abs=1e-9)


def test_moments_and_tails():
    normal = np.random.default_rng(1).normal(size=100_000)
    assert facts.excess_kurtosis(normal) == pytest.approx(0.0, abs=0.1)
    assert facts.excess_kurtosis(np.random.default_rng(1).laplace(size=200_000)) == pytest.approx(3.0, abs=0.4)
    assert np.isnan(facts.excess_kurtosis(np.zeros(100)))
    assert np.isnan(facts.excess_kurtosis(np.arange(5.0)))
    at, share = facts.tail_of_returns(normal)
    assert share[np.argmin(np.abs(at - 2.0))] == pytest.approx(0.0455, abs=0.004)
    lags = (1, 2, 4, 8, 16)
    assert facts.decay_exponent(lags, np.array(lags) ** -0.5) == pytest.approx(0.5)
    assert np.isnan(facts.decay_exponent(lags, -np.ones(5)))
    size, at_least = facts.size_tail(SMALL)
    assert at_least[0] == 1.0
    assert (size * facts.orders(SMALL)[0].mean()).tolist() == pytest.approx([1, 4, 5, 7])
    assert at_least.tolist() == pytest.approx([1, 5 / 6, 4 / 6, 2 / 6])


def test_chart_is_sound_xml_with_what_can_be_drawn():
    lines = [Line("a < b", np.array([1.0, 10.0, 100.0, 5.0]), np.array([1.0, 0.1, np.nan, -1.0]))]
    drawn = ET.fromstring(chart("title & more", Axis("x", True), Axis("y", True), lines))
    points = drawn.find("{http://www.w3.org/2000/svg}polyline").get("points").split()
    assert len(points) == 2
    with pytest.raises(ValueError, match="nothing to draw"):
        chart("empty", Axis("x"), Axis("y", True), [Line("none", np.array([1.0]), np.array([0.0]))])


@pytest.fixture(scope="module")
def half_an_hour() -> Tape:
    return sources.generated(load(None, {}), date.fromisoformat(DAY), 30.0)


def test_facts_of_the_generated_market_are_those_of_markets(half_an_hour):
    """What every market of this kind shows; bounds wide enough for any seed."""
    assert facts.spread_shares(half_an_hour)[0] > 0.8
    moves = facts.returns(half_an_hour, 1)
    assert facts.excess_kurtosis(moves) > 2
    assert facts.autocorrelation(np.abs(moves), (1,))[0] > 0.05
    assert facts.autocorrelation(facts.orders(half_an_hour)[1], (1,))[0] > 0.15
    quantity, _ = facts.orders(half_an_hour)
    assert np.percentile(quantity, 99) > 4 * quantity.mean()


def test_page_names_what_is_missing_and_draws_what_is_there(half_an_hour):
    found = [page.Subject("generated", "half an hour", half_an_hour)]
    words = document.text(found, ["ES was not there"])
    assert "ES was not there" in words
    assert "| | generated |" in words
    drawn = page.pictures(found, intraday.curve(540))
    assert len(drawn) == 6
    for svg in drawn.values():
        ET.fromstring(svg)


def test_the_page_in_the_docs_shows_every_picture_it_has():
    words = (document.DOCS / "generated_market.md").read_text(encoding="utf-8")
    for path in (document.DOCS / "generated_market").iterdir():
        assert f"generated_market/{path.name}" in words
        ET.parse(path)
    assert words.count("](generated_market/") == len(list((document.DOCS / "generated_market").iterdir()))


def test_captures_are_read_with_their_grid():
    capture = document.CAPTURES[0]
    read = sources.captured(captures.folder(capture.folder), capture.tick, capture.lot)
    assert len(read.trade_ns) == 2973
    assert facts.spread_shares(read)[0] > 0.9
    assert set(np.unique(read.sign)) <= {-1, 0, 1}


@pytest.mark.slow
def test_the_page_in_the_docs_is_what_the_code_makes(tmp_path: Path):
    document.write(tmp_path, captures.folder(document.CAPTURES[0].folder).parent)
    for path in (document.DOCS / "generated_market").iterdir():
        assert path.read_bytes() == (tmp_path / "generated_market" / path.name).read_bytes()
    assert (tmp_path / "generated_market.md").read_bytes() == (document.DOCS / "generated_market.md").read_bytes()
