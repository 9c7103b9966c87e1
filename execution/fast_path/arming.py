"""Writes the permits of the fast path, from what the machine knows now. It reads the machine and changes nothing in it.

A permit says yes to what it says for as long as no other input than the market and signals is handled, and only within the
market time that it names: all that could change by itself (the clock passing a close, a midnight, a no-trade window) ends
it. What time only makes better (rates, a cool-down) was good when it was written.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from config.schema import Config, Risk
from consensus.weights import SOURCES, TOLERANCE
from execution.contracts import Contract
from execution.events import BUY, ENTRY, LIMIT, MARKET, Tick
from execution.fast_path.permit import PERMIT, STRATEGY_CODES, TICKER_BYTES, Array
from execution.machine import DECIDING, Machine
from execution.risk.clear import can_trade_now, day_is_good
from execution.risk.collar import HALF_A_PERCENT_OF_A_TICK
from execution.risk.instrument import MINUTE_NS
from execution.risk.request import Facts, Request
from execution.risk.states import ALLOWS
from execution.sizing import affordable
from runtime.sessions import local_date, local_ns
from runtime.trading_hours import DAY

MS = 1_000_000
MOST = 1 << 62  # a limit beyond it is none
MOST_DISPERSION = 100.0  # times it goes the rounding of a dispersion, half as exact as a sum, into the threshold


class Permits:
    """`rows`: PERMIT of shape (contracts,). None is armed at first."""

    def __init__(self, config: Config, machine: Machine) -> None:
        self._config = config
        self._machine = machine
        self._shares: list[tuple[object, int]] = [(None, 0)] * len(config.instruments)  # that stand in each permit
        self.rows: Array = np.zeros(len(config.instruments), PERMIT)
        for contract, permit in zip(machine.ledger.contracts, self.rows, strict=True):
            _write_limits(permit, config, contract)
            permit["affordable"] = min(MOST, affordable(config.risk, machine.desk.loss_per_contract(contract.symbol)))
        self._possible = _is_possible(config)

    def arm(self, now_ns: int, market_ns: int) -> bool:
        """Write the permits of all contracts that may be entered now, and say whether there is one.

        now_ns: monotonic; market_ns: market time, 0 not known. Nothing is armed while anything of ours is held or open, for
        what an entry may then be depends on prices and on other contracts.
        """
        machine = self._machine
        ledger = machine.ledger
        self.tear()
        if not self._possible or market_ns <= 0 or ledger.open or ledger.holds or machine.turns:
            return False
        if machine.desk.too_many(now_ns):
            return False
        for contract, permit in zip(ledger.contracts, self.rows, strict=True):
            facts = machine.desk.outlook(Tick(now_ns, market_ns), contract.symbol)
            if _may_enter(self._config.risk, machine.desk.legs, contract, facts):
                self._write_shares(permit, contract.symbol)
                _write(permit, machine, contract, facts)
                permit["armed"] = 1
        return bool(self.rows["armed"].any())

    def tear(self) -> None:
        """Whatever they said may not hold any more."""
        self.rows["armed"] = 0

    def _write_shares(self, permit: Any, symbol: int) -> None:
        """Only where they are others: there are many."""
        table, _ = self._machine.council.bearing(symbol)
        ready = table.ready()
        written, count = self._shares[symbol]
        if ready is written and len(ready) == count:
            return
        self._shares[symbol] = ready, len(ready)  # kept alive: another could take its place in memory
        permit["known"] = 0
        for voters, shares in ready.items():
            permit["known"][voters] = 1
            permit["weights"][voters] = shares.weights
            permit["held"][voters], permit["counted"][voters] = shares.held, shares.counted


def _write_limits(permit: Any, config: Config, contract: Contract) -> None:
    consensus, execution, risk = config.consensus, config.execution, config.risk
    ticker = contract.ticker.encode()
    fields: dict[str, object] = {
        "deciding": sum(1 << SOURCES.index(source) for source in DECIDING[consensus.decide_on]),
        "minimum_weight": consensus.minimum_weight - TOLERANCE,
        "minimum_sources": consensus.minimum_sources,
        "least": consensus.threshold,
        "most": consensus.threshold_max,
        "dispersion": consensus.threshold_dispersion,
        "cost": consensus.threshold_cost,
        "max_quantity": execution.max_quantity,
        "room": min(risk.max_position, risk.max_order_quantity),
        "liquidity_floor": risk.liquidity_floor,
        "at_market": int(execution.order_type == "market"),
        "order_type": MARKET if execution.order_type == "market" else LIMIT,
        "entry_offset_ticks": execution.entry_offset_ticks,
        "tick": contract.tick,
        "lot": contract.lot,
        "max_order_quantity": risk.max_order_quantity,
        "max_position": risk.max_position,
        "collar": (risk.price_collar_ticks + HALF_A_PERCENT_OF_A_TICK) * contract.tick,
        "max_spread_ticks": risk.max_spread_ticks + HALF_A_PERCENT_OF_A_TICK,
        "max_data_age_ns": risk.max_data_age_ms * MS,
        "max_exchange_age_ns": risk.max_exchange_age_ms * MS,
        "max_notional": risk.max_notional,
        "max_margin": risk.max_margin,
        "margin": contract.margin,
        "point_value": contract.point_value,
        "alias": int(contract.alias),
        "max_alias_ticks": risk.max_alias_ticks,
        "duplicate_ns": risk.duplicate_ms * MS,
        "ticker_bytes": len(ticker),
    }
    for name, value in fields.items():
        permit[name] = max(-MOST, min(value, MOST)) if isinstance(value, int) else value
    permit["ticker"][: len(ticker)] = np.frombuffer(ticker[:TICKER_BYTES], np.uint8)[:TICKER_BYTES]
    for place, name in enumerate(consensus.strategies[: len(STRATEGY_CODES)]):
        permit["strategies"][place] = STRATEGY_CODES[name]


def _may_enter(limits: Risk, legs: int, contract: Contract, facts: Facts) -> bool:
    request = Request(ENTRY, contract, BUY, 1, LIMIT, math.nan, math.nan, math.nan)
    return (
        not (facts.upstream_problem or facts.unready or facts.broker_problem)
        and ALLOWS[facts.trading].entries
        and can_trade_now(request, facts, limits)
        and day_is_good(facts, limits)
        and facts.open_orders + 1 + legs <= limits.max_open_orders
        and len(contract.ticker) <= TICKER_BYTES
        and contract.ticker.isascii()
    )


def _is_possible(config: Config) -> bool:
    """Whether a permit can say all that these settings ask for, as exactly as `verdict.EDGE` needs it."""
    strategies = config.consensus.strategies
    return len(set(strategies)) == len(strategies) and config.consensus.threshold_dispersion <= MOST_DISPERSION


def _write(permit: Any, machine: Machine, contract: Contract, facts: Facts) -> None:
    now_ns = facts.market_now_ns
    if not permit["market_from_ns"] <= now_ns < permit["market_until_ns"]:  # else the end stands there already
        permit["market_until_ns"] = _until_ns(contract, now_ns)
    permit["market_from_ns"] = now_ns
    _, standing = machine.council.bearing(contract.symbol)
    permit["cost_share"] = standing.cost_share
    permit["reference_bid"], permit["reference_ask"] = facts.reference_bid, facts.reference_ask
    permit["reference_ns"] = facts.reference_ns
    newest = machine.ledger.tallies.newest_entry.get(contract.symbol)
    permit["newest_side"] = 0
    if newest is not None:
        permit["newest_side"], permit["newest_quantity"] = newest.side, newest.quantity
        permit["newest_price"], permit["newest_ns"] = newest.price, newest.monotonic_ns
    permit["order"], permit["bracket"] = machine.ledger.next_order, machine.ledger.next_bracket


def _until_ns(contract: Contract, market_ns: int) -> int:
    """The market time before which what was looked at stays as it is."""
    hours = contract.hours
    assert hours is not None  # else it cannot be traded
    window = hours.at(market_ns)
    midnight_ns = local_ns(local_date(market_ns, contract.zone) + DAY, 0, contract.zone)
    return min(
        window.until_ns, window.closes_ns - hours.sessions.no_entry_before_close_min * MINUTE_NS,
        hours.next_quiet_ns(market_ns), midnight_ns,
    )  # fmt: skip
