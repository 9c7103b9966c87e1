"""How old the data behind an order may be. Two clocks, two questions.

Pipeline age, by the monotonic clock: how long ago the event behind the decision came in from the DLL. Exchange age, by
the market clock: how long the contract has been silent, which a dead connection that still looks connected shows.
"""

from __future__ import annotations

from config.schema import Risk
from execution.risk.request import Facts, Request

MS = 1_000_000


def pipeline_age(request: Request, facts: Facts, limits: Risk) -> str:
    if facts.base_recv_ns <= 0:
        return "no event stands behind this order"
    age_ns = facts.now_ns - facts.base_recv_ns
    if 0 <= age_ns <= limits.max_data_age_ms * MS:
        return ""
    return f"the event behind it is {age_ns / MS:.1f} ms old; at most {limits.max_data_age_ms} ms"


def exchange_age(request: Request, facts: Facts, limits: Risk) -> str:
    if facts.market_ts_ns <= 0 or facts.market_now_ns <= 0:
        return "the age of the market is not known"
    age_ns = facts.market_now_ns - facts.market_ts_ns
    # an event from the future by as much means that the clocks are not to be trusted
    if abs(age_ns) <= limits.max_exchange_age_ms * MS:
        return ""
    return f"the market's last event is {age_ns / MS:.0f} ms old; at most {limits.max_exchange_age_ms} ms"
