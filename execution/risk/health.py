"""Whether the world is in order: the stages before us, the broker's side, and what a person or a limit allows."""

from __future__ import annotations

from config.schema import Risk
from execution.risk.request import Facts, Request
from execution.risk.states import ALLOWS
from execution.sizing import direction


def upstream(request: Request, facts: Facts, limits: Risk) -> str:
    """Features and ingest run and beat."""
    return facts.upstream_problem


def features_ready(request: Request, facts: Facts, limits: Risk) -> str:
    """The required families of features are whole, and rest on a book that is fresh and no auction's."""
    return facts.unready


def reconciled(request: Request, facts: Facts, limits: Risk) -> str:
    """The broker and we agree, and no order of ours or of others is unexplained."""
    return facts.broker_problem


def trading_allowed(request: Request, facts: Facts, limits: Risk) -> str:
    """In a state that lets nothing in, not even what makes a position smaller."""
    allows = ALLOWS[facts.trading]
    return "" if allows.entries or allows.reducing_entries else f"trading is {facts.trading}"


def reduce_only(request: Request, facts: Facts, limits: Risk) -> str:
    """In a state that only reduces: against the position, and no more than it."""
    allows = ALLOWS[facts.trading]
    if allows.entries or not allows.reducing_entries:
        return ""
    left = -facts.position * direction(request.side) - facts.working_entries
    if request.quantity <= left:
        return ""
    return f"trading is {facts.trading}: {request.quantity} contracts against a position of {facts.position}"
