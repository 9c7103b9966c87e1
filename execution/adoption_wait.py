"""When a person's word `orders adopt` is carried out: as soon as two views that were asked after it agree.

One view is not enough. The broker's orders are listed before its positions, so what fills in between stands in it twice:
as a position, and as an order that still waits for that fill. It decides only when; `adoption` and `order_adoption` say
what.
"""

from __future__ import annotations

from execution.events import BrokerView, OrderReport

Picture = tuple[frozenset[tuple[str, int]], frozenset[tuple[str, int, int, int]]]


class AdoptionWait:
    """`waiting`: the word was said and is not carried out yet."""

    def __init__(self) -> None:
        self.waiting = False
        self._since_ns = 0
        self._picture: Picture | None = None

    def say(self, now_ns: int) -> None:
        """A person says it at that monotonic time."""
        self.waiting, self._since_ns, self._picture = True, now_ns, None

    def due(self, view: BrokerView, foreign: list[OrderReport]) -> bool:
        """Whether this view is to be adopted; then the wait is over. foreign: its open orders that are not ours."""
        if not self.waiting or view.problem or (view.asked_ns or view.monotonic_ns) < self._since_ns:
            return False
        picture = _picture(view, foreign)
        agreed, self._picture = picture == self._picture, picture
        self.waiting = not agreed
        return agreed


def _picture(view: BrokerView, foreign: list[OrderReport]) -> Picture:
    """What must not change from one view to the next: all that is held, and what of those orders has traded."""
    held = frozenset((position.ticker, position.quantity) for position in view.positions if position.quantity)
    orders = frozenset(
        (each.cl_order_id or str(each.local_id), each.quantity, each.traded_quantity, each.status) for each in foreign
    )
    return held, orders
