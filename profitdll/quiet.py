"""Native callbacks that do nothing, for events that come with nearly every trade and that nobody hears.

The DLL wants a real function in the slot. One of Python would take the interpreter each time: it would hold up the feed
while another thread works, and that thread too. These need no interpreter.
"""

from __future__ import annotations

from shm.jit import callback

_DAILY = "void(uintp, uintp, " + "float64, " * 10 + ", ".join(["int32"] * 7) + ")"


@callback("void(uintp, float64, int32, int32)")
def on_tiny_book(record, price, quantity, side):  # type: ignore[no-untyped-def]
    """The best level of one side; the depth callback says more."""


@callback(_DAILY)
def on_daily(  # type: ignore[no-untyped-def]
    record, date, first, high, low, close, volume, adjust, max_limit, min_limit, volume_buyer, volume_seller,
    quantity, trades, open_contracts, quantity_buyer, quantity_seller, trades_buyer, trades_seller,
):  # fmt: skip
    """The figures of a ticker's day."""
