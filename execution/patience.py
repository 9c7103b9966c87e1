"""How long an order waits for its confirmation: execution gives it up by this, and the gateway refuses it before.

It stands apart because the two may live in different processes and must never disagree: an order that execution has
given up may have an exit for the same contracts behind it, and whoever carries out both turns the position around.
It must never depend on anything but the settings.
"""

from __future__ import annotations

GIVING_UP = 3  # times `confirm_ms` without confirmation: cancels of an order, or waits for one that cannot be named
MS = 1_000_000


def given_up_ns(confirm_ms: int) -> int:
    """Age at which execution gives up an order that the exchange never confirmed."""
    return GIVING_UP * confirm_ms * MS


def too_old_ns(confirm_ms: int) -> int:
    """Age from which on the gateway refuses it: what goes out before has `confirm_ms` left to be confirmed."""
    return given_up_ns(confirm_ms) - confirm_ms * MS
