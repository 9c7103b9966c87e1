"""The one gate that every order passes: it runs all checks and names each one that refuses.

Whoever sends orders takes a gate as a required argument. An order that protects or reduces what we hold passes
whatever the checks say, for an order that is late or one too many is better than a position nobody can leave; the
gate makes sure that it really reduces. Cancels add no risk and are only counted against the order rate.
"""

from __future__ import annotations

from collections.abc import Callable

from config.schema import Risk
from execution.events import PROTECTIVE
from execution.risk.age import exchange_age, pipeline_age
from execution.risk.collar import price_collar
from execution.risk.exposure import max_position, trades_per_day
from execution.risk.form import order_form
from execution.risk.health import reconciled, trading_allowed, upstream
from execution.risk.loss import daily_loss
from execution.risk.rate import OrderRate
from execution.risk.request import Facts, Request
from execution.sizing import direction

Check = Callable[[Request, Facts, Risk], str]
CHECKS: dict[str, Check] = {
    "order_form": order_form,
    "max_position": max_position,
    "trades_per_day": trades_per_day,
    "daily_loss": daily_loss,
    "pipeline_age": pipeline_age,
    "exchange_age": exchange_age,
    "price_collar": price_collar,
    "upstream": upstream,
    "reconciled": reconciled,
    "trading_allowed": trading_allowed,
}
ORDER_RATE = "order_rate"
NOT_REDUCING = "not_reducing"
REASONS = (*CHECKS, ORDER_RATE, NOT_REDUCING)
"""Every name a refusal can have: the counters `denied_<name>`."""


class RiskGate:
    """Limits and the order rate's memory; everything else comes with each request."""

    def __init__(self, limits: Risk) -> None:
        self._limits = limits
        self._rate = OrderRate(limits.max_orders_per_s, limits.max_orders_per_min)

    def refusals(self, request: Request, facts: Facts) -> dict[str, str]:
        """name -> reason of every check that refuses; empty: the order may go out, and is counted."""
        found = {} if reduces(request, facts) else self._judge(request, facts)
        if not found:
            self._rate.count(facts.now_ns)
        return found

    def count_cancel(self, now_ns: int) -> None:
        """A cancel goes out: never refused, but it uses up order rate."""
        self._rate.count(now_ns)

    def _judge(self, request: Request, facts: Facts) -> dict[str, str]:
        found = {name: reason for name, check in CHECKS.items() if (reason := check(request, facts, self._limits))}
        if rate := self._rate.refusal(facts.now_ns):
            found[ORDER_RATE] = rate
        if request.role in PROTECTIVE:
            found[NOT_REDUCING] = f"a {request.role} of {request.quantity} against a position of {facts.position}"
        return found


def reduces(request: Request, facts: Facts) -> bool:
    """Whether the order protects or closes what is held, and no more than that."""
    against = -facts.position * direction(request.side)
    return request.role in PROTECTIVE and 1 <= request.quantity <= against
