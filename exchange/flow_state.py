"""The state of one generated instrument as fixed records, and the columns of what its kernels read and write.

    FLOW     one record: time, arrivals, reference price, parent orders, the episode that plays
    SCRIPT   one row a stage of an episode; stages of all episodes in order of time, never two at once
    draws (n, 12) float64   columns 0-9 uniform in [0, 1), columns 10 and 11 standard normal; one row a step
    trades (m, 7) int64     T_*     clients (m, 4) int64  owner, price ticks, quantity, 1 when the order is done
    icebergs (k, 10) int64  I_*     truths (m, 8) int64   G_*
    books (m, 2, 10, 3)     bid and ask levels: price ticks, quantity, orders; times (m,) int64 their ts_ns

Prices in a script are offsets from the episode's anchor row, positive in the direction of its side, so that an episode
and its mirror image are one script. Names and numbers only: nothing is computed here.
"""

from __future__ import annotations

import numpy as np

PARENTS = 4  # institutional orders being worked with market orders
ICEBERGS = 6  # row 0 is the episode's own
MINUTES = 8  # of highs and lows that are remembered
LEVELS = 10
MAX_SIZE = 120  # of one background order
STEP_EVENTS = 384  # more than one step can write
NONE = -(1 << 40)  # a script's field that says nothing
FREE = NONE - 1  # of `ref_to`: the reference moves as it does without an episode
FAR_NS = 1 << 62

T_TS, T_TICKS, T_QUANTITY, T_BUYER, T_SELLER, T_TYPE, T_NUMBER = 0, 1, 2, 3, 4, 5, 6
I_SIDE, I_ROW, I_SHOWN, I_HIDDEN, I_SLOT, I_NUMBER, I_BROKER, I_TOTAL, I_SLICES, I_START_NS = range(10)
G_KIND, G_SIDE, G_START_NS, G_END_NS, G_TICKS, G_VOLUME, G_DECOY, G_PLANTED = range(8)
TRUTH_COLUMNS = 8
TRUTHS_A_STEP = ICEBERGS + 3

D_BASE, D_FAST, D_SLOW, D_KIND, D_SIDE, D_SIZE, D_BROKER, D_PLACE, D_AUTHOR, D_LENGTH, D_NEWS, D_MOOD = range(12)
UNIFORMS = 10
DRAW_COLUMNS = 12

ANCHOR_TOUCH, ANCHOR_EXTREME = 0, 1

FLOW = np.dtype(
    [
        ("next_ns", "<i8"),  # of the next step; `last_ns` of the one before
        ("last_ns", "<i8"),
        ("end_ns", "<i8"),  # the session's
        ("boundary_ns", "<i8"),  # where a stage of an episode begins or ends next
        ("order_number", "<i8"),
        ("trade_number", "<i8"),
        ("draw", "<i8"),  # row of `draws` that is next
        ("last_ticks", "<i8"),
        ("low_ticks", "<i8"),  # watched prices
        ("high_ticks", "<i8"),
        ("trades", "<i8"),  # rows written in this call
        ("books", "<i8"),
        ("clients", "<i8"),
        ("truths", "<i8"),
        ("step_trades", "<i8"),  # trades at the start of the step
        ("curve_ns", "<i8"),  # when minute 0 of the volume curve begins
        ("mean_rate", "<f8"),  # market orders per second, mean of the session
        ("base_rate", "<f8"),
        ("excitation", "<f8", (2,)),
        ("decay", "<f8", (2,)),
        ("jump", "<f8", (2,)),
        ("reference", "<f8"),  # rows; what the background believes the price to be
        ("mood", "<f8"),  # logarithm of the reference's volatility over its mean
        ("home", "<f8"),  # rows; where the reference reverts to
        ("parent_side", "<i8", (PARENTS,)),  # 1 buy, -1 sell
        ("parent_left", "<i8", (PARENTS,)),
        ("parent_broker", "<i8", (PARENTS,)),
        ("parent_sweeps", "<i8", (PARENTS,)),
        ("last_parent", "<i8"),
        ("minute", "<i8"),
        ("minute_low", "<i8", (MINUTES,)),  # rows
        ("minute_high", "<i8", (MINUTES,)),
        ("script", "<i8"),  # the row that plays, or that is next
        ("playing", "<i8"),
        ("episode_start_ns", "<i8"),
        ("episode_row", "<i8"),  # the anchor
        ("episode_broker", "<i8"),
        ("episode_volume", "<i8"),  # traded (withdrawal: cancelled) by the episode's own orders
        ("stage_volume", "<i8"),
        ("stage_from", "<f8"),  # rows; where the reference stood when the stage began
    ],
    align=True,
)

SCRIPT = np.dtype(
    [
        ("start_ns", "<i8"),
        ("end_ns", "<i8"),
        ("kind", "<i8"),
        ("side", "<i8"),  # 1, -1
        ("decoy", "<i8"),
        ("first", "<i8"),
        ("last", "<i8"),
        ("anchor", "<i8"),  # ANCHOR_*
        ("ref_from", "<i8"),  # thousandths of a tick; NONE: from where it stands
        ("ref_to", "<i8"),  # NONE: it stays where it stands; FREE: it moves by itself
        ("rate", "<i8"),  # the episode's own orders, thousandths of the mean rate of market orders
        ("along", "<i8"),  # thousandths of them in the direction of the side
        ("size", "<i8"),  # their mean size
        ("counted", "<i8"),  # 1: what they trade is part of the episode's volume; what a wall trades always is
        ("budget", "<i8"),  # lots after which they end; 0: none
        ("crowd", "<i8"),  # 1: each from another broker
        ("cancels", "<i8"),  # 1: they take resting orders out instead of trading
        ("wall_side", "<i8"),  # 1: on the episode's side of the book, -1: on the other, 0: no wall
        ("wall_at", "<i8"),
        ("wall_shown", "<i8"),
        ("wall_total", "<i8"),
        ("thin", "<i8"),  # 1: hardly anybody quotes on the other side of the book
        ("cap", "<i8"),  # nothing trades beyond this offset; NONE: no bound
        ("floor", "<i8"),  # the same on the other side
        ("take_levels", "<i8"),  # one order through so many levels when the stage begins
        ("take_to", "<i8"),  # one order up to this offset when the stage begins; NONE: no such order
    ],
    align=True,
)
