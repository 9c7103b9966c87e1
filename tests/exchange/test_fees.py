"""The fee table: what B3's page says, contract by contract, and when it is used."""

from __future__ import annotations

import itertools

import pytest

from exchange.book_market import BookMarket
from exchange.engine import Engine
from exchange.fees import fee_of, per_contract, table, tiered
from tests.exchange.kit import SECOND_NS, START_NS, TapeRows, instrument
from tests.exchange.test_engine import new, play, send


@pytest.mark.parametrize(
    ("root", "price", "options", "fee"),
    [
        ("WIN", 130_000.0, {"day_trade": False}, 1.97 * 0.2),
        ("WIN", 130_000.0, {}, 1.97 * 0.2 * 0.65),
        ("IND", 130_000.0, {"day_trade": False}, 1.97),
        ("WDO", 5_000.0, {"day_trade": False}, 0.97 * 0.25 * 5.0),
        ("WDO", 5_000.0, {}, 0.97 * 0.25 * 0.84 * 5.0),
        ("DOL", 6_000.0, {"day_trade": False, "volume": 251.0}, (0.88 + 22.5 / 251) * 6.0),
        ("WIN", 1.0, {"day_trade": True, "volume": 151.0, "day_trade_volume": 6.0},
         (1.72 + 22.5 / 151) * 0.2 * (1 - (40.0 - 25.0 / 6) / 100)),
    ],
)  # fmt: skip
def test_fees_of_the_table(root, price, options, fee):
    assert per_contract(root, price, **options) == pytest.approx(fee)


@pytest.mark.parametrize("root", sorted(table()))
@pytest.mark.parametrize("tiers", ["tiers", "day_trade_tiers"])
def test_a_tier_begins_where_the_one_before_ends(root, tiers):
    """The additional values are there for exactly this, so a misread figure would break it."""
    rows = table()[root]["family"][tiers]
    for (_, value, additional), (begin, next_value, next_additional) in itertools.pairwise(rows):
        volume = begin - 1
        assert volume * value + additional == pytest.approx(volume * next_value + next_additional)
        falls = tiered(rows, begin) < tiered(rows, volume)
        assert falls == (tiers == "tiers")


def test_point_values_are_the_contracts():
    assert {root: each["point_value"] for root, each in table().items()} == {"WDO": 10, "DOL": 50, "WIN": 0.2, "IND": 1}


def test_the_configuration_s_fee_stands_unless_the_table_is_asked_for_and_knows_the_contract():
    win = instrument(symbol="WINFUT", order_symbol="WINZ26", fee_per_contract=0.9)
    assert fee_of(win, "config", 100.0) == 0.9
    assert fee_of(win, "b3", 100.0) == pytest.approx(0.2561)
    assert fee_of(instrument(symbol="BTCUSDT", fee_per_contract=0.4), "b3", 100.0) == 0.4


def test_the_exchange_s_money_uses_it():
    spec = instrument(symbol="WDOFUT", fee_per_contract=9.0)
    engine = Engine(BookMarket.of_clients([spec], START_NS, 5_000.0), [1, 2], "F-", "allow", "b3")
    send(engine, new(1, 10_000, 3))
    send(engine, new(2, 10_000, 2, account=1))
    assert engine.position(0, 0).fees == pytest.approx(2 * 0.97 * 0.25 * 0.84 * 5.0)


def test_a_fee_is_that_of_the_fill_s_price_also_when_the_position_was_asked_for_before_any_price():
    rows = TapeRows().book(1, [(10_000, 5)], [(10_001, 5)]).trade(2, 10_001, 1)
    engine = Engine(rows.market(instrument(fee_per_contract=9.0)), [1], "F-", "allow", "b3")
    assert engine.market.last_ticks(0) == 0
    assert engine.position(0, 0).fees == 0.0
    play(engine, START_NS + SECOND_NS)
    send(engine, new(1, 10_001, 2))
    first = 2 * per_contract("WDO", 5_000.5)
    assert engine.position(0, 0).fees == pytest.approx(first)
    send(engine, new(2, 10_000, 1))
    assert engine.position(0, 0).fees == pytest.approx(first + per_contract("WDO", 5_000.0))
