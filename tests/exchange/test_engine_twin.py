"""Random commands to the engine and to its slow twin: the same fills, the same book, nothing crossed, made or lost.

By default some thousands of commands; with `-m slow` a million (docs/exchange.md holds its last result).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pytest

from exchange.book import BEST_ASK, BEST_BID, HEAD, LEVEL_ORDERS, NEXT, OWNER
from exchange.book_market import BookMarket
from exchange.engine import Engine, Event
from exchange.orders import NewOrder, Order
from exchange.venue import Venue
from profitdll.constants import OrderStatus as Status
from tests.exchange.kit import START_NS, TICK, instrument
from tests.exchange.naive_engine import (
    AUCTION,
    BUY,
    CLOSED,
    FROZEN,
    LIMIT,
    MARKET,
    OPEN,
    PRE_OPENING,
    STOP,
    NaiveEngine,
    One,
)

LOW, SPAN, START = 1, 120, 60
ACCOUNTS = 3
POLICIES = ("allow", "cancel_resting", "cancel_incoming", "cancel_both")
NAMES = {
    Status.NEW: "new", Status.PARTIALLY_FILLED: "partial", Status.FILLED: "filled", Status.CANCELED: "canceled",
    Status.REJECTED: "rejected", Status.EXPIRED: "expired",
}  # fmt: skip
NEXT_STATE = {
    OPEN: (AUCTION, FROZEN, CLOSED), AUCTION: (OPEN, CLOSED), FROZEN: (OPEN, AUCTION), CLOSED: (PRE_OPENING, OPEN),
    PRE_OPENING: (OPEN,),
}  # fmt: skip


class Pair:
    """The engine and its twin, given the same commands. seed: chooses bands and policy too."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        policy = POLICIES[seed % len(POLICIES)]
        daily, tunnel = ((0, 0), (40, 0), (0, 8), (30, 12))[seed // len(POLICIES) % 4]
        spec = instrument(daily_limit=daily, tunnel=tunnel, band_unit="ticks", reference_price=START * TICK)
        venue = Venue(spec, 0, base_ticks=LOW, span=SPAN, capacity=4096, start_ticks=START)
        self.venue = venue
        self.engine = Engine(BookMarket([spec], [venue], START_NS), [70 + a for a in range(ACCOUNTS)], "P-", policy)
        self.naive = NaiveEngine(START, LOW, LOW + SPAN - 1, policy, daily, tunnel)
        self.seen: dict[int, tuple[int, int]] = {}  # order -> traded, value
        self.state = OPEN
        self.now = START_NS
        self.live: list[int] = []
        self.orders: dict[int, Order] = {}  # all of them; the engine forgets the closed ones of days before

    def draws(self, count: int) -> Iterator[list[int]]:
        yield from self.rng.integers(0, 1 << 30, (count, 8)).tolist()

    def command(self, draw: list[int]) -> list[tuple[int, int, int]]:
        """One random command to both. Returns its executions: (order, price ticks, quantity)."""
        self.now += 1
        kind = draw[0] % 100
        if kind < 1 or (self.state != OPEN and kind < 8):
            events = self.change_state(draw[1])
        elif kind < 60 or not self.live:
            events = self.send(draw)
        elif kind < 82:
            events = self.cancel(draw[1])
        else:
            events = self.change(draw)
        while self.venue.pending:
            self.venue.pending.pop()
        got = self.executions(events)
        assert got == self.naive.fills
        self.naive.fills = []
        return got

    def executions(self, events: list[Event]) -> list[tuple[int, int, int]]:
        out = []
        for event in events:
            if not isinstance(event, Order):
                continue
            traded, value = self.seen.get(event.number, (0, 0))
            if event.traded > traded:
                out.append(
                    (event.number, (event.value_ticks - value) // (event.traded - traded), event.traded - traded)
                )
                self.seen[event.number] = (event.traded, event.value_ticks)
        return out

    def send(self, draw: list[int]) -> list[Event]:
        side, kind = 1 + draw[1] % 2, (LIMIT, LIMIT, LIMIT, LIMIT, LIMIT, LIMIT, MARKET, STOP)[draw[2] % 8]
        validity = 0 if kind == STOP else (0, 0, 0, 0, 0, 1, 3, 4)[draw[3] % 8]
        last = self.naive.last
        price = last + draw[4] % 25 - 12 + (0 if draw[7] % 50 else draw[4] % 90 - 45)
        price, stop = max(1, price), 0
        if kind == STOP:
            stop, price = price, max(1, price + (draw[6] % 4 if side == BUY else -(draw[6] % 4)))
            if side != BUY and price > stop:
                stop = price
        quantity, account = 1 + draw[5] % 9, draw[6] % ACCOUNTS
        number, events = self.engine.receive(
            NewOrder(
                account=account, instrument=0, ticker="WDOFUT", side=side, order_type=kind, validity=validity,
                quantity=quantity, price=price * TICK if kind != MARKET else -1.0, stop_price=stop * TICK if stop else -1.0,
            ),
            self.now,
        )  # fmt: skip
        self.live.append(number)
        self.orders[number] = self.engine.orders[number]
        self.naive.send(One(number, account, side, kind, validity, price, stop, quantity))
        return events + self.engine.place(number, self.now)

    def cancel(self, pick: int) -> list[Event]:
        number = self.live[pick % len(self.live)]
        self.naive.cancel(number)
        return self.engine.request_cancel(self.orders[number], self.now) + self.engine.cancel(number, self.now)

    def change(self, draw: list[int]) -> list[Event]:
        number = self.live[draw[1] % len(self.live)]
        order = self.orders[number]
        quantity = 1 + draw[2] % 9
        price = order.price_ticks if draw[3] % 2 else max(1, self.naive.last + draw[4] % 13 - 6)
        stop = price if order.order_type == STOP else 0
        self.naive.change(number, quantity, price, stop)
        events = self.engine.request_change(order, self.now)
        return events + self.engine.change(number, quantity, price * TICK, stop * TICK if stop else -1.0, self.now)

    def change_state(self, draw: int) -> list[Event]:
        self.state = NEXT_STATE[self.state][draw % len(NEXT_STATE[self.state])]
        self.naive.set_state(self.state)
        return self.engine.set_state(0, self.state, self.now)

    def check(self) -> None:
        """Every property that must hold between two commands."""
        book = self.venue.book
        if not self.venue.calling:
            assert book.state[BEST_BID] < book.state[BEST_ASK], "crossed"
        bought = sold = 0
        for order in self.orders.values():
            twin = self.naive.orders[order.number]
            assert (NAMES[order.status], order.traded) == (twin.status, twin.traded), order
            assert 0 <= order.traded <= order.quantity
            assert order.leaves == (order.quantity - order.traded if order.open else 0)
            bought, sold = bought + order.traded * (order.side == BUY), sold + order.traded * (order.side != BUY)
        assert bought == sold, "quantity is conserved"
        assert sum(self.engine.position(account, 0).net for account in range(ACCOUNTS)) == 0
        assert self.venue.last_ticks == self.naive.last
        self.check_queues()
        self.live = [number for number in self.live if self.orders[number].open]

    def check_queues(self) -> None:
        """Time priority: each queue holds the twin's orders of that price in the order of their arrival."""
        for side in (BUY, 2):
            ladder = self.venue.ladder(side)
            wanted: dict[int, list[tuple[int, int]]] = {}
            for order in self.naive.resting:
                if order.side == side:
                    row = ladder.row(order.price)
                    if order.kind == MARKET:
                        row = SPAN - 1 if side == BUY else 0
                    wanted.setdefault(row, []).append((order.number, order.leaves))
            got: dict[int, list[tuple[int, int]]] = {}
            for row in np.flatnonzero(ladder.levels[:, LEVEL_ORDERS]).tolist():
                slot = int(ladder.levels[row, HEAD])
                if ladder.orders[slot, 1] != side:
                    continue
                while slot >= 0:
                    got.setdefault(row, []).append((int(ladder.orders[slot, OWNER]), int(ladder.orders[slot, 3])))
                    slot = int(ladder.orders[slot, NEXT])
            assert got == wanted


def play(seed: int, commands: int, every: int) -> tuple[str, int]:
    """(digest of all executions, how many)."""
    pair, digest, count = Pair(seed), hashlib.sha256(), 0
    for number, draw in enumerate(pair.draws(commands), start=1):
        fills = pair.command(draw)
        count += len(fills)
        digest.update(repr(fills).encode())
        if number % every == 0 or number == commands:
            pair.check()
    return digest.hexdigest(), count


@pytest.mark.parametrize("seed", range(16))
def test_engine_agrees_with_its_twin(seed):
    _, fills = play(seed, 400, 10)
    assert fills > 40


def test_same_commands_same_fills():
    assert play(3, 600, 600) == play(3, 600, 600)
    assert play(3, 600, 600) != play(19, 600, 600)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_million_random_commands():
    """200 lifetimes of 5,000 commands, each with its own bands, policy and calls."""
    total = sum(play(seed, 5_000, 100)[1] for seed in range(200))
    assert total > 300_000
