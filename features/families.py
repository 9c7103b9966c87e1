"""The seven families: which columns each has, its bit in the ready mask, and what makes it whole again after a loss.

Constants only, because kernels, registry and stages must agree on them.
"""

from __future__ import annotations

from dataclasses import dataclass

from shm.layouts import FEATURE_COUNT

# bits of the ready mask in every feature record
READY_VOLATILITY = 1 << 0
READY_RETURNS = 1 << 1
READY_ORDER_FLOW = 1 << 2
READY_VOLUME = 1 << 3
READY_TECHNICAL = 1 << 4
READY_MICROSTRUCTURE = 1 << 5
READY_TEMPORAL = 1 << 6

CAUSE_WARMING = 1 << 16  # some family's windows are not full yet
CAUSE_GAP = 1 << 17  # ingest lost market data; some window still spans the loss
CAUSE_LAPPED = 1 << 18  # this worker lost records; some window still spans the loss
CAUSE_AUCTION = 1 << 19  # the newest snapshot was an auction's or crossed; the book shown is older
CAUSE_STALE = 1 << 20  # a trade came, but the session's newest snapshot is older than STALE_BOOK_NS
CAUSE_OVERFLOW = 1 << 21  # a window in seconds holds more than it has room for; its features are NaN

ABSENT_BROKERS = 1 << 32  # no trade of the session has named a broker
ABSENT_BOOK = 1 << 33  # the session has no valid snapshot
ABSENT_HISTORY = 1 << 34  # no bar came from history: bars are only what this run has heard

STALE_BOOK_NS = 60_000_000_000

CAUSES = {
    CAUSE_WARMING: "warming",
    CAUSE_GAP: "gap",
    CAUSE_LAPPED: "lapped",
    CAUSE_AUCTION: "auction",
    CAUSE_STALE: "stale",
    CAUSE_OVERFLOW: "overflow",
}
ABSENT = {ABSENT_BROKERS: "brokers", ABSENT_BOOK: "book", ABSENT_HISTORY: "history"}


@dataclass(frozen=True)
class Family:
    """Columns [first, first + count). After lost market data the family is whole again once `seconds` have passed and
    `trades` trades and `snapshots` snapshots have come since: its longest windows. Bars that span the loss stay as
    heard, since a hundred bars are hours; missing trades that history gives back are in them."""

    name: str
    first: int
    count: int
    ready: int
    seconds: int
    trades: int
    snapshots: int


FAMILIES = (
    Family("volatility", 0, 10, READY_VOLATILITY, 60, 0, 0),
    Family("returns", 10, 10, READY_RETURNS, 60, 0, 0),
    Family("order_flow", 20, 8, READY_ORDER_FLOW, 30, 50, 1),
    Family("volume", 28, 8, READY_VOLUME, 60, 0, 0),
    Family("technical", 36, 8, READY_TECHNICAL, 60, 0, 0),
    Family("microstructure", 44, 15, READY_MICROSTRUCTURE, 5, 1000, 500),
    Family("temporal", 59, 6, READY_TEMPORAL, 0, 1, 0),
)
BY_NAME = {family.name: family for family in FAMILIES}
assert sum(family.count for family in FAMILIES) == FEATURE_COUNT


def describe_ready(ready: int) -> str:
    """A ready mask in words, for logs and screens: what is whole, why not, what is absent."""
    whole = [family.name for family in FAMILIES if ready & family.ready]
    why = [text for bit, text in CAUSES.items() if ready & bit]
    absent = [text for bit, text in ABSENT.items() if ready & bit]
    parts = ["ready " + (", ".join(whole) or "nothing")]
    if why:
        parts.append("because of " + ", ".join(why))
    if absent:
        parts.append("without " + ", ".join(absent))
    return "; ".join(parts)


def missing(ready: int, needed: tuple[str, ...]) -> str:
    """Why a consumer of those families must abstain; empty when it need not."""
    lacking = [name for name in needed if not ready & BY_NAME[name].ready]
    if not lacking:
        return ""
    why = [text for bit, text in CAUSES.items() if ready & bit]
    return f"{', '.join(lacking)} not ready" + (f" ({', '.join(why)})" if why else "")
