"""Twins of the microstructure family. Rationals where a difference of close numbers would leave nothing of a long double."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate, pairwise

from tests.naive_market import NAN, ROOM, Book, Market, Real, Trade, family, twin


def real(number: Fraction) -> Real:
    return Real(number.numerator) / Real(number.denominator)


def spread(book: Book) -> int:
    return book.asks[0][0] - book.bids[0][0]


def quantity(levels: tuple[tuple[int, int], ...], best: int) -> int:
    return sum(q for _, q in levels[:best])


def depth(book: Book, best: int) -> int:
    return quantity(book.bids, best) + quantity(book.asks, best)


@twin("spread_ticks")
def spread_ticks(market: Market) -> Real:
    return Real(spread(market.books[-1])) if market.books else NAN


def to_its_mean(values: list[int]) -> Real:
    return Real(values[-1]) / (Real(sum(values)) / len(values)) if len(values) == 500 else NAN


@twin("spread_ratio_500")
def spread_ratio(market: Market) -> Real:
    return to_its_mean([spread(book) for book in market.books[-500:]])


@twin("depth_ratio_500")
def depth_ratio(market: Market) -> Real:
    return to_its_mean([depth(book, 10) for book in market.books[-500:]])


@twin("microprice_offset_5")
def microprice_offset(market: Market) -> Real:
    if not market.books:
        return NAN
    book = market.books[-1]
    bid, ask = quantity(book.bids, 5), quantity(book.asks, 5)
    bid_price = Fraction(sum(p * q for p, q in book.bids[:5]), bid)
    ask_price = Fraction(sum(p * q for p, q in book.asks[:5]), ask)
    mid = Fraction(book.bids[0][0] + book.asks[0][0], 2)
    return real((ask_price * bid + bid_price * ask) / (bid + ask) - mid)


def book_imbalance(market: Market, levels: int) -> Real:
    if not market.books:
        return NAN
    book = market.books[-1]
    bid, ask = quantity(book.bids, levels), quantity(book.asks, levels)
    return Real(bid - ask) / Real(bid + ask)


family("book_imbalance_{n}", (1, 5, 10), book_imbalance)


@twin("liquidity_consumption_5s")
def liquidity_consumption(market: Market) -> Real:
    if not market.books or not market.trades or len(market.trades_in(5)) > ROOM:
        return NAN
    return Real(sum(trade.q for trade in market.trades_in(5) if trade.s != 0)) / depth(market.books[-1], 5)


def mean_size(trades: list[Trade]) -> Real:
    return Real(sum(trade.q for trade in trades)) / len(trades)


@twin("trade_size_ratio_50")
def trade_size_ratio(market: Market) -> Real:
    if len(market.trades) < 50:
        return NAN
    return mean_size(market.trades[-50:]) / mean_size(market.trades[-1000:])


@twin("large_trade_ratio_100")
def large_trade_ratio(market: Market) -> Real:
    trades = market.trades
    if len(trades) < 100:
        return NAN
    before = [0, *accumulate(trade.q for trade in trades)]  # volume before trade i
    large = 0
    for i in range(len(trades) - 100, len(trades)):
        n = min(i, 1000)
        if n > 0 and n * trades[i].q >= 4 * (before[i] - before[i - n]):
            large += trades[i].q
    return Real(large) / sum(trade.q for trade in trades[-100:])


@twin("aggressor_run")
def aggressor_run(market: Market) -> Real:
    run = 0
    side = 0
    for trade in reversed(market.trades):
        if trade.s == 0:
            continue
        if side and trade.s != side:
            break
        side, run = trade.s, run + 1
    return Real(side * min(run, 50)) if side else NAN


def by_broker(market: Market) -> tuple[dict[int, int], dict[int, int]]:
    """Volume bought and sold by each known broker in the last 500 trades."""
    bought: dict[int, int] = {}
    sold: dict[int, int] = {}
    for trade in market.trades[-500:]:
        for code, book in ((trade.buyer, bought), (trade.seller, sold)):
            if code > 0:
                book[code] = book.get(code, 0) + trade.q
    return bought, sold


def concentration(volumes: dict[int, int]) -> Real:
    if not volumes:
        return NAN
    return Real(sum(v * v for v in volumes.values())) / Real(sum(volumes.values())) ** 2


@twin("buyer_concentration_500")
def buyer_concentration(market: Market) -> Real:
    return concentration(by_broker(market)[0])


@twin("seller_concentration_500")
def seller_concentration(market: Market) -> Real:
    return concentration(by_broker(market)[1])


@twin("top_broker_net_500")
def top_broker_net(market: Market) -> Real:
    bought, sold = by_broker(market)
    nets = {code: bought.get(code, 0) - sold.get(code, 0) for code in {*bought, *sold}}
    if not nets:
        return NAN
    top = min(nets, key=lambda code: (-abs(nets[code]), code))
    return Real(nets[top]) / sum(trade.q for trade in market.trades[-500:])


@twin("broker_turnover_100")
def broker_turnover(market: Market) -> Real:
    pairs = [(max(trade.buyer, 0), max(trade.seller, 0)) for trade in market.trades[-101:]]
    if len(pairs) < 101 or all(pair == (0, 0) for pair in pairs):
        return NAN
    return Real(sum(here != before for before, here in pairwise(pairs))) / 100
