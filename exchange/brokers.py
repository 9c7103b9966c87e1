"""The brokers of the generated market: their codes, and how often each trades in each of three habits.

A maker quotes on both sides and seldom takes; an institution works parent orders; retail takes small round sizes. A code
has one main habit and a little of the others, as a real broker has many clients. Tables only: no state, no choice.
"""

from __future__ import annotations

from typing import Any

import numpy as np

MAKER, INSTITUTION, RETAIL = 0, 1, 2
HABITS = 3
AWAY_FROM_HABIT = 0.05  # share of a code's weight in the habits that are not its own

_MAKERS = (8, 16, 238, 85)
_INSTITUTIONS = (72, 114, 59, 127, 120, 92)
_RETAIL = (3, 308, 386, 90, 1618, 107, 147, 174, 23, 39)

Array = np.ndarray[Any, Any]

CODES: Array = np.array([*_MAKERS, *_INSTITUTIONS, *_RETAIL], np.int64)


def _weights() -> Array:
    out = np.empty((HABITS, len(CODES)))
    first = 0
    own = np.zeros((HABITS, len(CODES)))
    for habit, codes in enumerate((_MAKERS, _INSTITUTIONS, _RETAIL)):
        own[habit, first : first + len(codes)] = 1.0 / np.arange(1, len(codes) + 1)  # a few large ones, many small
        first += len(codes)
    for habit in range(HABITS):
        out[habit] = own[habit] / own[habit].sum()
    mixed = out.mean(axis=0)
    return (1.0 - AWAY_FROM_HABIT) * out + AWAY_FROM_HABIT * mixed / mixed.sum()


WEIGHTS: Array = _weights()
"""(habits, codes): how often a broker is the one, in each habit; each row sums to 1."""

CUMULATIVE: Array = np.cumsum(WEIGHTS, axis=1)
"""(habits, codes): the same, summed, for drawing."""
