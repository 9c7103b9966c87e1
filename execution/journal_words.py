"""A record of the journal in words, for a person: names instead of the DLL's numbers, what is empty left out. Pure.

`journal --json` is for programs and gives every field as it stands.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

import msgspec

from execution.events import NO_PRICE
from profitdll.constants import OrderStatus, OrderType, Side

SHOWN_FIRST = ("market_ns", "monotonic_ns")  # the time stands before the record
EPOCH_NS = 10**18  # a later one is a time of the calendar; a monotonic one never comes so far


def _name_of(names: type[IntEnum]) -> Callable[[int], str]:
    known = {int(member): member.name.lower().replace("_", " ") for member in names}
    return lambda number: known.get(number, str(number))


_NAMED = {"side": _name_of(Side), "order_type": _name_of(OrderType), "status": _name_of(OrderStatus)}


def utc(ns: int) -> str:
    """A calendar time as `2026-01-31T12:00:00.000000Z`."""
    return f"{datetime.fromtimestamp(ns // 10**9, UTC):%Y-%m-%dT%H:%M:%S}.{ns % 10**9 // 1000:06d}Z"


def in_words(record: msgspec.Struct) -> str:
    """The fields of a record, `name=value` with commas; empty ones are left out."""
    return _fields(record, SHOWN_FIRST)


def _fields(record: msgspec.Struct, left_out: tuple[str, ...] = ()) -> str:
    values = ((name, getattr(record, name)) for name in record.__struct_fields__ if name not in left_out)
    return ", ".join(f"{name}={_worded(name, value)}" for name, value in values if value not in ("", ()))


def _worded(name: str, value: Any) -> str:
    match value:
        case msgspec.Struct():
            return f"{type(value).__name__}({_fields(value)})"
        case tuple() if hasattr(value, "_asdict"):
            pairs = value._asdict().items()
            return f"{type(value).__name__}({', '.join(f'{key}={_worded(key, item)}' for key, item in pairs)})"
        case tuple() | list():
            return f"({', '.join(_worded('', item) for item in value)})"
        case int() if name in _NAMED:
            return _NAMED[name](value)
        case int() if name.endswith("_ns") and value >= EPOCH_NS:
            return utc(value)
        case float() if math.isnan(value):
            return "unknown"
        case float() if name in ("price", "stop_price") and value == NO_PRICE:
            return "none"
        case float():
            return f"{value:.10g}"
        case _:
            return str(value)
