"""The one gate that every order passes: it runs all checks and names each one that refuses.

Whoever sends orders takes a gate as a required argument. An order that protects or reduces what we hold passes
whatever the checks say, for an order that is late or one too many is better than a position nobody can leave; the
gate makes sure that it really reduces. Cancels add no risk and are only counted against their rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from config.schema import Risk
from execution.events import ENTRY, EXIT, PROTECTIVE, TARGET
from execution.risk import age, collar, exposure, form, health, instrument, loss, own_orders, pace
from execution.risk.clear import clear
from execution.risk.rate import Rates
from execution.risk.request import Facts, Request
from execution.sizing import direction

Check = Callable[[Request, Facts, Risk], str]
CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        health.trading_allowed, health.reduce_only, health.upstream, health.features_ready, health.reconciled,
        form.order_form, form.order_lot, form.order_quantity,
        instrument.session, instrument.no_trade_window, instrument.expiry, instrument.alias,
        age.pipeline_age, age.exchange_age,
        collar.price_collar, collar.spread,
        exposure.max_position, exposure.open_orders, exposure.notional, exposure.margin, exposure.trade_risk,
        loss.daily_loss, loss.drawdown, loss.losses_in_row,
        pace.trades_per_day, pace.entry_interval, pace.message_ratio,
        own_orders.self_match, own_orders.duplicate,
    )
}  # fmt: skip
"""Name -> check, in the order in which they are told. Where one refuses all are asked: a person wants every reason."""
_IN_ORDER = tuple(CHECKS.items())
ORDER_RATE = "order_rate"
CANCEL_RATE = "cancel_rate"
NOT_REDUCING = "not_reducing"
REASONS = (*CHECKS, ORDER_RATE, CANCEL_RATE, NOT_REDUCING)
"""Every name a refusal can have: the counters `denied_<name>`."""


class RiskGate:
    """Limits and the rates' memory; everything else comes with each request."""

    def __init__(self, limits: Risk) -> None:
        self._limits = limits
        self._rates = Rates(limits)

    def restore(self, now_ns: int, orders_ns: Iterable[int], cancels_ns: Iterable[int]) -> None:
        """Monotonic times of what earlier incarnations sent, oldest first."""
        self._rates.restore(now_ns, orders_ns, cancels_ns)

    def refusals(self, request: Request, facts: Facts) -> dict[str, str]:
        """name -> reason of every check that refuses; empty: the order may go out, and is counted."""
        passes = reduces(request, facts) or self._passes(request, facts)
        found = {} if passes else self._judge(request, facts)
        if not found:
            self._rates.orders.count(facts.now_ns)
        return found

    def count_cancel(self, now_ns: int) -> None:
        """A cancel goes out: never refused, but it uses up the cancels' rate."""
        self._rates.cancels.count(now_ns)

    def too_many(self, now_ns: int) -> str:
        """Why no more orders may go out now for the rate of orders or of cancels, or ""."""
        return self._rates.orders.refusal(now_ns) or self._rates.cancels.refusal(now_ns)

    def _passes(self, request: Request, facts: Facts) -> bool:
        """Whether the order goes the short way: `clear`, and within the rates."""
        return request.role == ENTRY and clear(request, facts, self._limits) and not self.too_many(facts.now_ns)

    def _judge(self, request: Request, facts: Facts) -> dict[str, str]:
        limits = self._limits
        found = {}
        for name, check in _IN_ORDER:
            if reason := check(request, facts, limits):
                found[name] = reason
        if reason := self._rates.orders.refusal(facts.now_ns):
            found[ORDER_RATE] = reason
        if reason := self._rates.cancels.refusal(facts.now_ns):
            found[CANCEL_RATE] = reason
        if request.role in PROTECTIVE:
            found[NOT_REDUCING] = f"a {request.role} of {request.quantity} against a position of {facts.position}"
        return found


def reduces(request: Request, facts: Facts) -> bool:
    """Whether the order protects or closes what is held, and no more than that.

    Stop and target rest for the same contracts, so each leg is held against the position by itself; all targets are one,
    and so are all exits.
    """
    against = -facts.position * direction(request.side)
    if request.role == TARGET:
        against -= facts.working_targets
    elif request.role == EXIT:
        against -= facts.working_exits
    return request.role in PROTECTIVE and 1 <= request.quantity <= against
