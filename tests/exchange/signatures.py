"""What each planted kind must leave in the tape, measured slowly and plainly from trades and books, by its market definition.

Nothing of the agents and nothing of the generator is used here. Everything is said for an episode that favours buyers; the
mirror image is the same market with prices negated and sides exchanged.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

SECOND_NS = 1_000_000_000
BEFORE_S = 120


@dataclass
class Scene:
    """An episode's stretch of the market, and some time before it. Prices in ticks, negated for a selling side.

    trades: (ts, price, quantity, aggressor +1 buy -1 sell, buyer, seller); books: (ts, {price: quantity} of bid and ask).
    """

    trades: list[tuple[int, int, int, int, int, int]]
    books: list[tuple[int, dict[int, int], dict[int, int]]]
    trades_before: list[tuple[int, int, int, int, int, int]]
    books_before: list[tuple[int, dict[int, int], dict[int, int]]]
    start_ns: int
    end_ns: int

    @property
    def touch(self) -> float:
        """Mean quantity at the best prices before the episode."""
        return float(np.mean([bid[max(bid)] + ask[min(ask)] for _, bid, ask in self.books_before]) / 2)

    def at_price(self) -> dict[int, list[int]]:
        """price -> [sold by aggressors, bought by aggressors]."""
        out: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        for _, price, quantity, aggressor, _, _ in self.trades:
            out[price][aggressor > 0] += quantity
        return out


def scene(trades: np.ndarray, books: np.ndarray, tick: float, start_ns: int, end_ns: int, side: str) -> Scene:
    """Cut a scene out of trade bodies (n,) and book bodies (m,)."""
    sign = 1 if side == "buy" else -1
    parts: list[list] = [[], [], [], []]
    inside = (trades["ts_ns"] >= start_ns - 8 * 60 * SECOND_NS) & (trades["ts_ns"] <= end_ns)
    for row in trades[inside]:
        price = sign * round(float(row["price"]) / tick)
        aggressor = sign * (1 if row["trade_type"] == 2 else -1)
        parties = (int(row["buyer"]), int(row["seller"]))[::sign]
        entry = (int(row["ts_ns"]), price, int(row["quantity"]), aggressor, *parties)
        parts[0 if entry[0] >= start_ns else 2].append(entry)
    inside = (books["ts_ns"] >= start_ns - BEFORE_S * SECOND_NS) & (books["ts_ns"] <= end_ns)
    for row in books[inside]:
        sides = []
        for name in ("bid", "ask"):
            prices = [sign * round(float(price) / tick) for price in row[f"{name}_price"]]
            sides.append({p: int(q) for p, q in zip(prices, row[f"{name}_quantity"], strict=True) if q > 0})
        book = (int(row["ts_ns"]), *sides[::sign])
        parts[1 if book[0] >= start_ns else 3].append(book)
    return Scene(*parts, start_ns, end_ns)


def absorption(it: Scene) -> bool:
    """One price took most of the selling, many times the usual queue, held, and was left upwards."""
    cells = it.at_price()
    price = max(cells, key=lambda at: cells[at][0])
    sold = cells[price][0]
    last_ns = max(ts for ts, at, _, aggressor, _, _ in it.trades if at == price and aggressor < 0)
    heavy = [trade for trade in it.trades if trade[0] <= last_ns]
    selling = sum(q for _, _, q, aggressor, _, _ in heavy if aggressor < 0)
    buying = sum(q for _, _, q, aggressor, _, _ in heavy if aggressor > 0)
    return (
        sold >= 8 * it.touch and sold >= 0.6 * selling and selling >= 2 * buying
        and min(at for _, at, *_ in it.trades) >= price and it.trades[-1][1] >= price + 2
    )  # fmt: skip


def iceberg(it: Scene) -> bool:
    """One broker bought, waiting at one price, more than was ever shown there by everybody together."""
    waiting: dict[tuple[int, int], int] = defaultdict(int)
    for _, price, quantity, aggressor, buyer, _ in it.trades:
        if aggressor < 0:
            waiting[price, buyer] += quantity
    (price, _), bought = max(waiting.items(), key=lambda item: item[1])
    shown = max(bid.get(price, 0) for _, bid, _ in it.books)
    return bought > 1.5 * shown


def sweep(it: Scene) -> bool:
    """One buyer took five prices or more at one instant, and at least twice the usual queue."""
    instants: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for ts, price, quantity, aggressor, buyer, _ in it.trades:
        if aggressor > 0:
            instants[ts, buyer].append((price, quantity))
    return any(
        len({price for price, _ in taken}) >= 5 and sum(quantity for _, quantity in taken) >= 2 * it.touch
        for taken in instants.values()
    )


def withdrawal(it: Scene) -> bool:
    """The offers went to a third without being traded, and the bids stood."""

    def depth(books: list, which: int) -> float:
        return float(np.mean([sum(sorted_levels(book, which)) for book in books]))

    def sorted_levels(book: tuple, which: int) -> list[int]:
        side = book[which]
        return [side[price] for price in sorted(side, reverse=which == 1)[:5]]

    during = [book for book in it.books if book[0] > it.start_ns + 3 * SECOND_NS]
    bought = sum(q for ts, _, q, aggressor, _, _ in it.trades if aggressor > 0 and ts <= it.start_ns + 3 * SECOND_NS)
    gone = depth(it.books_before, 2) - depth(during, 2)
    return gone > 0.65 * depth(it.books_before, 2) and bought < gone and (
        depth(during, 1) > 0.6 * depth(it.books_before, 1)
    )  # fmt: skip


def p_profile(it: Scene) -> bool:
    """Most of the volume in the upper third of the range, little in the lower half, and a range worth the name."""
    cells = {price: sum(both) for price, both in it.at_price().items()}
    low, high = min(cells), max(cells)
    total = sum(cells.values())
    upper = sum(quantity for price, quantity in cells.items() if price > high - (high - low) / 3)
    lower = sum(quantity for price, quantity in cells.items() if price <= low + (high - low) / 2)
    return high - low >= 6 and upper >= 0.5 * total and lower <= 0.3 * total


def unfinished_auction(it: Scene) -> bool:
    """At the highest price both sides traded, each a good part, and it was left at the end."""
    cells = it.at_price()
    high = max(cells)
    sold, bought = cells[high]
    return min(sold, bought) >= 0.1 * (sold + bought) and sold + bought >= it.touch and it.trades[-1][1] <= high - 2


def stop_run(it: Scene) -> bool:
    """The low of the minutes before was broken in a burst of selling, and the price came back inside."""
    before = min(price for _, price, *_ in it.trades_before)
    lowest = min(it.trades, key=lambda trade: trade[1])
    outside = sum(q for _, price, q, aggressor, _, _ in it.trades if price < before and aggressor < 0)
    seconds = (it.end_ns - it.start_ns) / 1e9
    burst = sum(q for ts, _, q, _, _, _ in it.trades if abs(ts - lowest[0]) < 3 * SECOND_NS) / 6
    usual = sum(q for ts, _, q, *_ in it.trades_before if ts > it.start_ns - 120 * SECOND_NS) / 120
    return (
        lowest[1] <= before - 3 and outside > 0 and burst >= 2 * usual and it.trades[-1][1] >= before and seconds < 120
    )


SIGNATURES = {
    "absorption": absorption, "iceberg": iceberg, "sweep": sweep, "withdrawal": withdrawal, "p_profile": p_profile,
    "b_profile": p_profile, "unfinished_auction": unfinished_auction, "stop_run": stop_run,
}  # fmt: skip
