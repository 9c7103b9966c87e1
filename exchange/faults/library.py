"""The faults that happen inside the simulated library: what the exchange tells it so that it does them.

Pure: a fault in, the fields of one FAULT message out. The library keeps the counts; the exchange forgets such a fault as
soon as somebody was told.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from exchange import protocol
from exchange.faults.table import AbortHost, BookGroups, DetailsFailing, Fault, FullBook, OfferPackets
from profitdll.constants import NL_CODES


class Telling(NamedTuple):
    """One FAULT message, and whether it is for sessions with routing (else for those with market data only)."""

    full: bool
    fields: dict[str, Any]


def telling(fault: Fault) -> Telling | None:
    """What a library is told, None when the fault is the exchange's own."""
    match fault:
        case DetailsFailing():
            fields = {"kind": protocol.FAULT_DETAILS, "count": fault.count, "code": NL_CODES[fault.code]}
            return Telling(True, fields)
        case AbortHost():
            return Telling(fault.sessions == "full", {"kind": protocol.FAULT_ABORT, "count": 1})
        case BookGroups():
            return Telling(False, {"kind": protocol.FAULT_GROUPS, "count": fault.count, "value": fault.books})
        case FullBook():
            return Telling(False, {"kind": protocol.FAULT_FULL_BOOK, "count": fault.count})
        case OfferPackets():
            return Telling(False, {"kind": protocol.FAULT_OFFERS, "value": fault.offers})
    return None
