"""Whether the world is in order: the stages before us, the broker's side, and the people."""

from __future__ import annotations

from config.schema import Risk
from execution.risk.request import Facts, Request, Trading


def upstream(request: Request, facts: Facts, limits: Risk) -> str:
    """Features and ingest run and beat."""
    return facts.upstream_problem


def reconciled(request: Request, facts: Facts, limits: Risk) -> str:
    """The broker and we agree, and no order of ours or of others is unexplained."""
    return facts.broker_problem


def trading_allowed(request: Request, facts: Facts, limits: Risk) -> str:
    return "" if facts.trading is Trading.ACTIVE else f"trading is {facts.trading}"
