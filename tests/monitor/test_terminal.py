"""What a person must not overlook in the view."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from monitor.terminal import _totals, counts_of

FIGURES = {"profit": -1234.5, "lost": 0, "feed_gap_events": None, "restarts": 3}


@pytest.mark.parametrize("trading,words", [(0, "realised"), (1, "TRADING IS REDUCING"), (2, "TRADING IS HALTED")])
def test_the_state_of_trading_comes_first_and_is_not_cut(trading: int, words: str) -> None:
    screen = io.StringIO()
    Console(file=screen, width=40).print(_totals(FIGURES, trading))
    assert screen.getvalue().startswith(words)


def test_of_what_a_stage_counts_a_person_gets_what_is_named_and_why_orders_were_denied() -> None:
    counts = {"orders": 1234, "position_0": 7, "denied_price_collar": 2, "denied_trading": 5, "denied_lot": 0}
    assert counts_of("execution", counts) == "orders 1,234  denied 7 (trading 5, price_collar 2)"
    assert counts_of("order_flow", {"signals": 3, "vectors": 9}) == "signals 3"
