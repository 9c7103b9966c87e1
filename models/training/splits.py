"""Walk forward: train on the past, test on the block that follows, again and again. Purged and with an embargo.

A training row's label looks `horizon` ahead, so rows whose label reaches into the test block are purged, and so are
those that end less than the embargo before it. Training rows never lie after test rows: nothing of the future, such as
a feature's long window over the test block, can come back. Source: Lopez de Prado, Advances in Financial Machine
Learning, 2018, ch. 7 (purging, embargo).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Fold:
    """Row numbers, int64[...] ascending."""

    train: Array
    test: Array


def walk_forward(ts_ns: Array, label_end_ns: Array, folds: int, embargo_ns: int) -> list[Fold]:
    """`folds` tests over the last folds / (folds + 1) of the rows.

    ts_ns, label_end_ns: int64[n], ascending. Raises ValueError for fewer rows than blocks.
    """
    rows = len(ts_ns)
    if rows < folds + 1 or folds < 1:
        raise ValueError(f"{rows} rows cannot be cut into {folds + 1} blocks")
    bounds = [rows * block // (folds + 1) for block in range(folds + 2)]
    found = []
    for begin, end in pairwise(bounds[1:]):
        before = np.arange(begin)
        train = before[label_end_ns[:begin] + embargo_ns <= ts_ns[begin]]
        found.append(Fold(train, np.arange(begin, end)))
    return found


def every(ts_ns: Array, interval_ns: int) -> Array:
    """The rows that a stage would judge: the first, then each first one at least `interval_ns` later. int64[k]."""
    chosen = []
    row = 0
    while row < len(ts_ns):
        chosen.append(row)
        row = max(row + 1, int(np.searchsorted(ts_ns, ts_ns[row] + interval_ns, "left")))
    return np.array(chosen, np.int64)
