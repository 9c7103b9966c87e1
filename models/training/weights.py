"""How much a row has to say of its own, when the labels of neighbouring rows overlap.

Rows 100 ms apart that look 5 s ahead share almost all of their future: fifty of them are one observation. Each row is
weighted by the mean, over the rows that begin during its label, of 1 / (labels alive at that row); the sum of the
weights is about the number of independent labels, so the libraries' limits on leaves count those.
Source: Lopez de Prado, Advances in Financial Machine Learning, 2018, ch. 4 (average uniqueness).
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def uniqueness(ts_ns: Array, label_end_ns: Array) -> Array:
    """Weight of each row, float64[n] in (0, 1]. A label is alive in [ts, end).

    ts_ns, label_end_ns: int64[n], ascending, end after ts.
    """
    row = np.arange(len(ts_ns))
    alive = row - np.searchsorted(label_end_ns, ts_ns, "right") + 1
    shares = np.concatenate([[0.0], np.cumsum(1.0 / alive)])
    last = np.searchsorted(ts_ns, label_end_ns, "left")
    return (shares[last] - shares[row]) / (last - row)
