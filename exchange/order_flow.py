"""The traders of the generated market: one compiled loop of market orders, limit orders, cancels and planted episodes.

Market orders arrive as a Hawkes process (`hawkes`) on the day's volume curve; limit orders and cancels keep pace with its
intensity. Beside them a planted episode sends its own orders. Both sides stay ten levels deep. Random numbers come in as
an array, so the loop is a pure function of its arguments. It stops where something concerns a client: an execution of a
client's resting order, or a trade at a watched price. The arrays are drawn in `flow_state`.
"""

from __future__ import annotations

from math import exp, sqrt
from typing import Any

from exchange.aggression import tend_icebergs
from exchange.background import (
    IMPACT_SHARE,
    VOLATILITY_TICKS,
    cancel_order,
    deepen,
    limit_order,
    market_order,
)
from exchange.book import LIVE, book_show
from exchange.episode_actors import bounds_of, holds_reference, new_minute, own_order, own_rate, turn_page
from exchange.flow_state import (
    D_BASE,
    D_FAST,
    D_KIND,
    D_MOOD,
    D_NEWS,
    D_SLOW,
    FLOW,
    SCRIPT,
    TRUTHS_A_STEP,
)
from exchange.hawkes import decay, wait_s
from shm.jit import inline, kernel

from numba import from_dtype, types  # isort: skip

MINUTE_NS = 60_000_000_000
LIMITS_PER_MARKET_ORDER = 5.0
RESTING_ORDERS = 260.0  # mean; sets the rate of cancels
CANCELS_PER_ORDER = (LIMITS_PER_MARKET_ORDER - 1.0) / RESTING_ORDERS
REVERSION_PER_S = 1.0 / 1800.0
LOWEST_REFERENCE = 40.0  # rows
MOOD_STD = 0.55  # of the logarithm of volatility
MOOD_S = 400.0  # its relaxation time
LIVELIEST = 16.0  # the reference's variance follows the pace of trading up to this multiple of its mean

_FLOW = types.Array(from_dtype(FLOW), 1, "C")
_SCRIPTS = types.Array(from_dtype(SCRIPT), 1, "C")
_I1, _I2, _I3, _I4 = (types.Array(types.int64, n, "C") for n in (1, 2, 3, 4))
_F1, _F2 = (types.Array(types.float64, n, "C") for n in (1, 2))
_BOOK = (_I2, _I2, _I1, _I1)
_TABLES = (_F2, _I1, _F1)


@inline
def _base_rate(f: Any, curve: Any) -> Any:
    minute = (f.last_ns - f.curve_ns) // MINUTE_NS
    return f.base_rate * curve[min(max(minute, 0), len(curve) - 1)]


@inline
def _move_reference(f: Any, scripts: Any, seconds: Any, pace: Any, draw: Any, span: Any) -> None:
    """News, in the time of trading rather than of clocks (Clark 1973), and reversion home.

    The logarithm of its volatility is an Ornstein-Uhlenbeck process (Taylor 1986) with a mean square volatility of 1.
    """
    f.mood += (-(MOOD_STD**2) - f.mood) * min(1.0, seconds / MOOD_S)
    f.mood += MOOD_STD * sqrt(2.0 * min(1.0, seconds / MOOD_S)) * draw[D_MOOD]
    if not holds_reference(f, scripts):
        f.reference += (f.home - f.reference) * REVERSION_PER_S * seconds
        variance = (1.0 - IMPACT_SHARE) * min(pace, LIVELIEST) * seconds
        f.reference += VOLATILITY_TICKS * exp(f.mood) * sqrt(variance) * draw[D_NEWS]
    f.reference = max(LOWEST_REFERENCE, min(span - LOWEST_REFERENCE, f.reference))


@kernel(types.void(*_BOOK, _FLOW, *_TABLES, _F1))
def fill_up(
    levels: Any, orders: Any, live: Any, state: Any, flow: Any, cumulative: Any, codes: Any, curve: Any, draw: Any
) -> None:
    """Give both sides their ten levels. draw (12,): one row of draws."""
    deepen((levels, orders, live, state), flow[0], (cumulative, codes, curve), draw, 0)


@kernel(
    types.void(
        *_BOOK, _I2, _FLOW, _I2, _SCRIPTS, _F2, *_TABLES, types.int64, types.int64,
        types.Array(types.uint8, 1, "C"), _I2, _I4, _I1, _I2, _I2, _I3,
    )
)  # fmt: skip
def flow_run(
    levels: Any, orders: Any, live: Any, state: Any, fills: Any, flow: Any, icebergs: Any, scripts: Any, draws: Any,
    cumulative: Any, codes: Any, curve: Any, to_ns: int, limit: int,
    kinds: Any, trades: Any, books: Any, times: Any, clients: Any, truths: Any, shown: Any,
) -> None:  # fmt: skip
    """Play steps until `to_ns`, about `limit` events, the end of the draws, or something that concerns a client.

    flow[0] trades, books, clients, truths: the rows written; kinds[i] is 0 for a trade, 1 for a book.
    `limit` + STEP_EVENTS rows must fit the outputs. shown (2, 10, 3): the last book that was told.
    """
    f = flow[0]
    b = (levels, orders, live, state)
    tables = (cumulative, codes, curve)
    out = (trades, clients, truths)
    span = levels.shape[0]
    f.trades = f.books = f.clients = f.truths = 0
    events = 0
    stop = False
    end_ns = min(to_ns, f.end_ns)
    while (
        not stop and f.next_ns <= end_ns and f.draw < len(draws) and events < limit
        and f.truths + TRUTHS_A_STEP <= len(truths)
    ):  # fmt: skip
        draw = draws[f.draw]
        f.draw += 1
        seconds = (f.next_ns - f.last_ns) * 1e-9
        f.last_ns = f.next_ns
        f.step_trades = f.trades
        if f.last_ns // MINUTE_NS != f.minute:
            new_minute(f, MINUTE_NS)
        decay(f.excitation, f.decay, seconds)
        rate = _base_rate(f, curve) + f.excitation[0] + f.excitation[1]
        _move_reference(f, scripts, seconds, rate / f.mean_rate, draw, span)
        if f.last_ns >= f.boundary_ns:
            stop = turn_page(b, fills, f, icebergs, scripts, out, tables, draw)
        else:
            bounds = bounds_of(f, scripts, span)
            with_others = rate * (1.0 + LIMITS_PER_MARKET_ORDER + CANCELS_PER_ORDER * state[LIVE])
            which = draw[D_KIND] * (with_others + own_rate(f, scripts))
            if which < rate:
                stop = market_order(b, fills, f, icebergs, out, tables, draw, bounds)
                f.excitation[0] += f.jump[0]
                f.excitation[1] += f.jump[1]
            elif which < rate * (1.0 + LIMITS_PER_MARKET_ORDER):
                limit_order(b, f, icebergs, tables, draw, bounds[2])
            elif which < with_others:
                cancel_order(b, f, icebergs, draw)
            else:
                stop = own_order(b, fills, f, icebergs, scripts, out, tables, draw, bounds)
        tend_icebergs(b, f, icebergs, truths)
        deepen(b, f, tables, draw, bounds_of(f, scripts, span)[2])
        for _ in range(f.trades - f.step_trades):
            kinds[events] = 0
            events += 1
        if book_show(levels, state, shown, books[f.books]):
            times[f.books] = f.last_ns
            f.books += 1
            kinds[events] = 1
            events += 1
        factor = 1.0 + LIMITS_PER_MARKET_ORDER + CANCELS_PER_ORDER * state[LIVE]
        wait = wait_s(
            _base_rate(f, curve) * factor + own_rate(f, scripts), f.excitation[0] * factor, f.excitation[1] * factor,
            f.decay, draw[D_BASE], draw[D_FAST], draw[D_SLOW],
        )  # fmt: skip
        f.next_ns = min(f.last_ns + max(1, int(wait * 1e9)), max(f.boundary_ns, f.last_ns + 1))
