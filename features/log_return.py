"""The log return of two whole prices, to the last bits whatever they are.

log1p of a rise is exact; of a fall to a fraction its argument comes close to -1 and has lost its digits. A fall is
therefore the rise backwards.
"""

from __future__ import annotations

import math

from shm.jit import inline


@inline
def log_return(now, before):
    """ln(now / before); both positive integers."""
    if now >= before:
        return math.log1p((now - before) / before)
    return -math.log1p((before - now) / now)
