"""What the faults of connection and history do to one session: cut it, refuse it, or answer it badly. Pure."""

from __future__ import annotations

from exchange.faults.running import Running
from exchange.faults.table import ConnectionLost, HistoryEmpty, HistoryStuck, KeyTaken, OneSession, Sessions
from exchange.market import Array
from profitdll.constants import NL_CODES


def concerns(sessions: Sessions, full: bool) -> bool:
    """Whether a fault of `sessions` is for a session with (`full`) or without routing."""
    return sessions == "all" or (sessions == "full") == full


def unreachable(faults: Running, full: bool) -> bool:
    """Whether a login is answered by a cut connection."""
    lost = faults.active(ConnectionLost)
    return lost is not None and concerns(lost.sessions, full)


def key_taken(faults: Running, full: bool) -> bool:
    """Whether a login is refused as a second session of its key."""
    taken = faults.active(KeyTaken)
    return taken is not None and concerns(taken.sessions, full)


def excludes(faults: Running, there: tuple[str, bool], login: tuple[str, bool]) -> bool:
    """Whether a session that is there keeps a login out; each is (key, with routing)."""
    same_key, same_kind = (ours == theirs for ours, theirs in zip(there, login, strict=True))
    return same_key and (same_kind or faults.active(OneSession) is not None)


def history(trades: Array, faults: Running) -> tuple[Array, int]:
    """The trades (n,) that a history request brings, and its code: 0, or the negative one that leaves it at 99 %."""
    if stuck := faults.strike(HistoryStuck):
        return trades[: int(len(trades) * stuck.share)], NL_CODES["NL_SERIE_NO_DATA"]
    if faults.strike(HistoryEmpty):
        return trades[:0], 0
    return trades, 0
