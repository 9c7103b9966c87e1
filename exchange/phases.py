"""The trading states of an instrument and what each of them allows: one table, nothing else.

The numbers are ProfitDLL's ticker states, so what stands here is what a client's state callback is told.

    PRE_OPENING   a call before the session: orders are collected, a theoretical price is shown, nothing trades
    OPENED        continuous trading
    AUCTION       a call within the session
    PRE_CLOSING   the closing call
    CLOSED        no orders; day orders have expired
    FROZEN        halted: nothing trades, orders can only be cancelled
    INHIBITED     the same, by decision of the exchange

Pure: no clock, no orders. When states begin is `trading_day`'s or an operator's matter.
"""

from __future__ import annotations

from typing import NamedTuple

from profitdll.constants import TickerState as State


class Rules(NamedTuple):
    """enter: new orders and changes; cancel: cancels; continuous: orders match as they come; call: they are collected."""

    enter: bool
    cancel: bool
    continuous: bool
    call: bool


RULES: dict[State, Rules] = {
    State.PRE_OPENING: Rules(enter=True, cancel=True, continuous=False, call=True),
    State.OPENED: Rules(enter=True, cancel=True, continuous=True, call=False),
    State.AUCTION: Rules(enter=True, cancel=True, continuous=False, call=True),
    State.PRE_CLOSING: Rules(enter=True, cancel=True, continuous=False, call=True),
    State.CLOSED: Rules(enter=False, cancel=True, continuous=False, call=False),
    State.FROZEN: Rules(enter=False, cancel=True, continuous=False, call=False),
    State.INHIBITED: Rules(enter=False, cancel=True, continuous=False, call=False),
}


def in_call(state: int) -> bool:
    """Whether orders are collected for one price."""
    return RULES[State(state)].call


def refusal(state: int) -> str:
    """Why a new order is not taken in that state; empty when it is."""
    if RULES[State(state)].enter:
        return ""
    return "the market is closed" if state == State.CLOSED else f"the market is {State(state).name.lower()}"
