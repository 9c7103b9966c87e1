"""What a person must not overlook in the view."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from monitor.terminal import _totals

FIGURES = {"profit": -1234.5, "lost": 0, "feed_gap_events": None, "restarts": 3}


@pytest.mark.parametrize("trading,words", [(0, "realised"), (1, "TRADING IS REDUCING"), (2, "TRADING IS HALTED")])
def test_the_state_of_trading_comes_first_and_is_not_cut(trading: int, words: str) -> None:
    screen = io.StringIO()
    Console(file=screen, width=40).print(_totals(FIGURES, trading))
    assert screen.getvalue().startswith(words)
