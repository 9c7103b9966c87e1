"""What a campaign must show, judged from the exchange's own record against the journal and the diary. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from execution.events import SendOrder, Started
from profitdll.constants import Side
from tests.kills.exchange_record import Change
from tests.kills.mortal import Call

Key = tuple[int, int, int, float, float]


def intents_by_epoch(records: Iterable[Any]) -> dict[int, list[Key]]:
    """The intents of each incarnation, in their order."""
    found: dict[int, list[Key]] = {}
    epoch = -1
    for record in records:
        if isinstance(record, Started):
            epoch = record.epoch
        elif isinstance(record, SendOrder):
            found.setdefault(epoch, []).append(
                (record.side, record.order_type, record.quantity, record.price, record.stop_price)
            )
    return found


def sent_twice(intents: dict[int, list[Key]], calls: Sequence[Call], changes: Sequence[Change]) -> list[str]:
    """Each call must have an intent of its own, of its own incarnation; each order at the exchange a call of its own.

    All three are in the order of time, so "of its own" is: a subsequence.
    """
    problems = []
    for epoch in sorted({call.epoch for call in calls}):
        keys = [
            (call.side, call.order_type, call.quantity, call.price, call.stop_price)
            for call in calls
            if call.epoch == epoch
        ]
        if not _is_subsequence(keys, intents.get(epoch, [])):
            problems.append(f"incarnation {epoch} called SendOrder without an intent of its own, or twice for one")
    arrived = [change.key for change in {change.cl_order_id: change for change in changes}.values()]
    called = [(call.side, call.order_type, call.quantity, call.price, call.stop_price) for call in calls]
    if not _is_subsequence(arrived, called):
        problems.append(
            f"the exchange has {len(arrived)} orders that are not {len(called)} calls of SendOrder, each once"
        )
    return problems


def _is_subsequence(part: Sequence[Key], whole: Sequence[Key]) -> bool:
    rest = iter(whole)
    return all(any(each == key for each in rest) for key in part)


@dataclass(frozen=True)
class Exposure:
    """The longest times in which a position was not covered by resting stops."""

    whole_ns: int  # our death and restart included
    alive_ns: int  # within one life of execution: what it is answerable for


def exposure(changes: Sequence[Change], lives: Sequence[tuple[int, int]], end_ns: int) -> Exposure:
    """`lives`: (running, dead), monotonic, ascending."""
    latest: dict[str, Change] = {}
    whole = alive = 0
    since: int | None = None
    for change in changes:
        latest[change.cl_order_id] = change
        bare = _uncovered(latest.values())
        if bare and since is None:
            since = change.at_ns
        elif not bare and since is not None:
            whole, alive = _longest(whole, alive, since, change.at_ns, lives)
            since = None
    if since is not None:
        whole, alive = _longest(whole, alive, since, end_ns, lives)
    return Exposure(whole, alive)


def _longest(whole: int, alive: int, start: int, end: int, lives: Sequence[tuple[int, int]]) -> tuple[int, int]:
    parts = [min(end, dead) - max(start, born) for born, dead in lives]
    return max(whole, end - start), max(alive, *parts, 0) if parts else alive


def _uncovered(orders: Iterable[Change]) -> int:
    position = covered = 0
    for order in orders:
        position += order.traded if order.side == Side.BUY else -order.traded
        covered += order.protects
    return max(0, position - covered) if position >= 0 else max(0, covered - position)
