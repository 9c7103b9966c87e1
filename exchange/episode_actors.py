"""Who acts in a planted episode: the compiled parts that play one row of a script against the book.

A stage of a script may hold the reference on a path, send orders of its own at a rate, keep a wall (an order that shows a
part of itself) at a price, take quotes of one side out, bound the prices, and begin with one order through many levels.
All of it happens in the same book, by the same rules, as everything else.
"""

from __future__ import annotations

from math import log
from typing import Any

from exchange.aggression import aggress, is_slice, remove_iceberg, start_iceberg, tell_truth, traded_of
from exchange.background import PROTECTION_ROWS, THIN_PROTECTION_ROWS, broker_of
from exchange.book import (
    BASE_TICKS,
    BEST_ASK,
    BEST_BID,
    BUY,
    HEAD,
    LEAVES,
    LEVEL_ORDERS,
    LEVEL_QUANTITY,
    NUMBER,
    OWNER,
    SELL,
    book_remove,
)
from exchange.brokers import INSTITUTION, RETAIL
from exchange.flow_state import (
    ANCHOR_EXTREME,
    D_BROKER,
    D_LENGTH,
    D_PLACE,
    D_SIDE,
    D_SIZE,
    FAR_NS,
    FREE,
    I_SIDE,
    LEVELS,
    MAX_SIZE,
    MINUTES,
    NONE,
)
from exchange.ground_truth import SWEEP
from shm.jit import inline

HIDDEN_LOTS = 5000


@inline
def _row(f: Any, script: Any, offset: Any) -> Any:
    return f.episode_row + script.side * offset


@inline
def bounds_of(f: Any, scripts: Any, span: Any) -> Any:
    """(lowest row, highest row) at which anything may trade now, and the side of the book that is thin, 0 neither."""
    low, high, thin = 0, span - 1, 0
    if f.playing != 0:
        script = scripts[f.script]
        up, down = (script.cap, script.floor) if script.side > 0 else (script.floor, script.cap)
        if up != NONE:
            high = _row(f, script, up)
        if down != NONE:
            low = _row(f, script, down)
        if script.thin != 0:
            thin = SELL if script.side > 0 else BUY
    return low, high, thin


@inline
def own_rate(f: Any, scripts: Any) -> Any:
    """Orders per second that the stage sends now."""
    if f.playing == 0:
        return 0.0
    script = scripts[f.script]
    if script.budget > 0 and f.stage_volume >= script.budget:
        return 0.0
    return script.rate * 1e-3 * f.mean_rate


@inline
def holds_reference(f: Any, scripts: Any) -> Any:
    """Whether the stage decides where the reference stands; if so it is put there."""
    if f.playing == 0:
        return False
    script = scripts[f.script]
    if script.ref_to == FREE:
        return False
    begin = f.stage_from if script.ref_from == NONE else _row(f, script, 0) + script.side * script.ref_from * 1e-3
    end = f.stage_from if script.ref_to == NONE else _row(f, script, 0) + script.side * script.ref_to * 1e-3
    part = min(1.0, (f.last_ns - script.start_ns) / (script.end_ns - script.start_ns))
    f.reference = begin + (end - begin) * part
    return True


@inline
def own_order(
    b: Any, fills: Any, f: Any, icebergs: Any, scripts: Any, out: Any, tables: Any, draw: Any, bounds: Any
) -> Any:
    """One order of the stage: a market order, or a cancel. Whether a client is concerned."""
    levels, orders, live, state = b
    cumulative, codes, _curve = tables
    script = scripts[f.script]
    sign = script.side if draw[D_SIDE] * 1000.0 < script.along else -script.side
    if script.cancels != 0:  # against the side of the book that `sign` leaves standing
        side = SELL if sign > 0 else BUY
        best = state[BEST_BID] if side == BUY else state[BEST_ASK]
        row = best + (-1 if side == BUY else 1) * int(draw[D_PLACE] * LEVELS)
        if 0 <= row < levels.shape[0] and levels[row, LEVEL_ORDERS] > 0:
            slot = levels[row, HEAD]
            if orders[slot, OWNER] == 0 and not is_slice(icebergs, slot, orders[slot, NUMBER]):
                f.stage_volume += orders[slot, LEAVES]
                book_remove(levels, orders, live, state, slot)
        return False
    side = BUY if sign > 0 else SELL
    size = min(MAX_SIZE, 1 + int(-log(1.0 - draw[D_SIZE]) * (script.size - 0.5)))
    if script.budget > 0:
        size = min(size, script.budget - f.stage_volume)
    best = state[BEST_ASK] if side == BUY else state[BEST_BID]
    protection = PROTECTION_ROWS if bounds[2] == 0 else THIN_PROTECTION_ROWS
    limit = min(best + protection, bounds[1]) if side == BUY else max(best - protection, bounds[0])
    broker = broker_of(cumulative, codes, RETAIL, draw[D_BROKER]) if script.crowd != 0 else f.episode_broker
    volume, _prices, stop = aggress(b, fills, f, icebergs, out, side, limit, size, broker)
    f.stage_volume += volume
    return stop


@inline
def _extreme(f: Any, side: Any) -> Any:
    """The lowest (side 1) or highest row that traded in the remembered minutes; -1: none did."""
    low, high = FAR_NS, -1
    for i in range(MINUTES):
        low, high = min(low, f.minute_low[i]), max(high, f.minute_high[i])
    if high < 0:
        return -1
    return low if side > 0 else high


@inline
def _take(b: Any, fills: Any, f: Any, icebergs: Any, script: Any, out: Any) -> Any:
    """The one order that a stage may begin with. Whether a client is concerned."""
    levels, _orders, _live, state = b
    side = BUY if script.side > 0 else SELL
    best = state[BEST_ASK] if side == BUY else state[BEST_BID]
    count = script.take_levels
    if script.take_to != NONE:
        count = (_row(f, script, script.take_to) - best) * script.side + 1
    if count <= 0 or best < 0 or best >= levels.shape[0]:
        return False
    quantity = HIDDEN_LOTS  # icebergs there hold more than the book shows; the limit ends it
    row = best
    last = best
    for _ in range(4 * LEVELS):  # rows without an order are no level
        if count <= 0 or row < 0 or row >= levels.shape[0]:
            break
        quantity += levels[row, LEVEL_QUANTITY]
        last = row
        count -= 1 if levels[row, LEVEL_ORDERS] > 0 or script.take_to != NONE else 0
        row += script.side
    volume, _prices, stop = aggress(b, fills, f, icebergs, out, side, last, quantity, f.episode_broker)
    f.episode_volume += volume
    return stop


@inline
def _begin(b: Any, fills: Any, f: Any, icebergs: Any, script: Any, out: Any, tables: Any, draw: Any) -> Any:
    levels, _orders, _live, state = b
    cumulative, codes, _curve = tables
    f.stage_volume = 0
    f.stage_from = f.reference
    if script.first != 0:
        f.episode_start_ns = f.last_ns
        f.episode_volume = 0
        f.episode_broker = broker_of(cumulative, codes, INSTITUTION, draw[D_BROKER])
        f.episode_row = state[BEST_BID] if script.side > 0 else state[BEST_ASK]
        found = _extreme(f, script.side)
        if script.anchor == ANCHOR_EXTREME and found >= 0:
            f.episode_row = found
    stop = _take(b, fills, f, icebergs, script, out)
    if script.wall_side != 0:
        side = BUY if script.wall_side * script.side > 0 else SELL
        broker = broker_of(cumulative, codes, INSTITUTION, (draw[D_BROKER] + 0.5 * draw[D_LENGTH] + 0.25) % 1.0)
        row = _row(f, script, script.wall_at)
        if 0 <= row < levels.shape[0]:
            start_iceberg(b, f, icebergs, 0, side, row, script.wall_shown, script.wall_total, broker)
    return stop


@inline
def _end(b: Any, f: Any, icebergs: Any, script: Any, out: Any) -> None:
    _levels, _orders, _live, state = b
    _trades, _clients, truths = out
    if icebergs[0, I_SIDE] != 0:
        f.episode_volume += traded_of(b, icebergs, 0)
        remove_iceberg(b, f, icebergs, 0, truths)
    elif script.counted != 0:
        f.episode_volume += f.stage_volume
    if script.last != 0:
        ticks = state[BASE_TICKS] + f.episode_row
        if script.kind == SWEEP and script.decoy == 0:
            ticks = f.last_ticks
        tell_truth(
            f, truths, script.kind, script.side, f.episode_start_ns, f.last_ns, ticks, f.episode_volume,
            script.decoy, 1,
        )  # fmt: skip


@inline
def turn_page(b: Any, fills: Any, f: Any, icebergs: Any, scripts: Any, out: Any, tables: Any, draw: Any) -> Any:
    """End the stage that plays and begin the next one that is due. Whether a client is concerned."""
    stop = False
    if f.playing != 0:
        _end(b, f, icebergs, scripts[f.script], out)
        f.playing = 0
        f.script += 1
    f.boundary_ns = FAR_NS
    if f.script < len(scripts):
        f.boundary_ns = scripts[f.script].start_ns
        if f.boundary_ns <= f.last_ns:
            f.playing = 1
            stop = _begin(b, fills, f, icebergs, scripts[f.script], out, tables, draw)
            f.boundary_ns = scripts[f.script].end_ns
    return stop


@inline
def new_minute(f: Any, minute_ns: Any) -> None:
    """Make room for the highs and lows of the minutes that began."""
    minute = f.last_ns // minute_ns
    for late in range(max(f.minute + 1, minute - MINUTES + 1), minute + 1):
        f.minute_low[late % MINUTES] = FAR_NS
        f.minute_high[late % MINUTES] = -1
    f.minute = minute
