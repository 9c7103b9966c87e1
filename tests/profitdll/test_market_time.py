"""Wall time of the exchange to UTC and back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profitdll import market_time
from profitdll.structs import SystemTime

MS_NS = 1_000_000


def ns(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1_000_000_000


def test_known_times() -> None:
    assert market_time.utc_ns(SystemTime(2025, 11, 1, 24, 12, 0, 0, 7)) == ns(2025, 11, 24, 15) + 7 * MS_NS
    assert market_time.utc_ns(SystemTime(2017, 12, 0, 1, 9, 0, 0, 0)) == ns(2017, 12, 1, 11), "summer time then"
    assert market_time.utc_ns(SystemTime()) == 0


@given(st.integers(ns(2008, 3, 1), ns(2038, 1, 1)))
def test_there_and_back(ts_ns: int) -> None:
    expected = ts_ns // MS_NS * MS_NS
    there = market_time.system_time(ts_ns)
    back = market_time.utc_ns(there)
    assert back == expected or (there.hour == 23 and back == expected - 3_600_000_000_000)
    assert there.day_of_week == market_time.local_time(ts_ns).isoweekday() % 7


def test_no_time_stays_no_time() -> None:
    assert market_time.utc_ns(market_time.system_time(0)) == 0


def test_texts() -> None:
    noon = ns(2025, 11, 24, 15)
    assert market_time.request_text(noon + 999 * MS_NS) == "24/11/2025 12:00:00"
    assert market_time.text_ns("24/11/2025 12:00:00") == noon
    assert market_time.text_ns("24/11/2025 12:00:00.123") == noon + 123 * MS_NS
    assert market_time.text_ns("24/11/2025 12:00:00:123") == noon + 123 * MS_NS


@pytest.mark.parametrize(
    "text", ["", "24/11/2025", "24/11/2025 12:00:00,123", "24/11/2025 12:00:00.12", "2025-11-24 12:00"]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        market_time.text_ns(text)
