"""Calendars: sessions begin where the tz database says, over clock changes, and kernels find them."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.offline import compute
from features.registry import INDEX
from features.sessions import instrument_record, offset_table, session_table
from tests.naive import TWINS, Market
from tests.streams import NO_CANDLES, SECOND, instrument, trade_record

NAMES = ("session_elapsed", "minute", "day_of_week", "is_opening_30min", "is_closing_30min")
HOURS = (("09:00", "18:00"), ("17:00", "16:00"), ("00:00", "24:00"), ("09:00", "09:00"), ("23:45", "24:00"))
ZONES = ("UTC", "America/Sao_Paulo", "America/Chicago", "Asia/Kolkata", "Europe/London")


@pytest.mark.parametrize("zone", ZONES)
def test_offsets_are_those_of_the_tz_database(zone: str) -> None:
    instants, offsets = offset_table(zone)
    rng = np.random.default_rng(0)
    for second in rng.integers(946_684_800, 2_800_000_000, 2_000):
        expected = datetime.datetime.fromtimestamp(int(second), ZoneInfo(zone)).utcoffset()
        found = offsets[np.searchsorted(instants, int(second) * SECOND, side="right") - 1]
        assert expected is not None and int(expected.total_seconds()) * SECOND == found


def test_sessions_rise_and_begin_at_the_local_time() -> None:
    starts = session_table("America/Chicago", 17 * 3600 * SECOND)
    assert np.all(np.diff(starts) > 0)
    lengths = np.unique(np.diff(starts) // (3600 * SECOND))
    assert lengths.tolist() == [23, 24, 25]
    for start in starts[::997]:
        wall = datetime.datetime.fromtimestamp(int(start) // SECOND, ZoneInfo("America/Chicago"))
        assert (wall.hour, wall.minute) == (17, 0)


def test_midnight_that_the_clock_jumps_over_is_the_jump() -> None:
    """Sao Paulo, 2018-11-04: the day begins at 01:00."""
    starts = session_table("America/Sao_Paulo", 0)
    day = int(datetime.datetime(2018, 11, 4, 3, tzinfo=datetime.UTC).timestamp()) * SECOND
    assert day in starts
    wall = datetime.datetime.fromtimestamp(day // SECOND, ZoneInfo("America/Sao_Paulo"))
    assert (wall.day, wall.hour) == (4, 1)


@settings(max_examples=60, deadline=None)
@given(
    zone=st.sampled_from(ZONES), hours=st.sampled_from(HOURS),
    second=st.integers(1_500_000_000, 1_900_000_000), nanosecond=st.integers(0, SECOND - 1),
)  # fmt: skip
def test_wall_time_features_are_the_twins(zone: str, hours: tuple[str, str], second: int, nanosecond: int) -> None:
    one = instrument(60, session_open=hours[0], session_close=hours[1], timezone=zone)
    record = trade_record(second * SECOND + nanosecond, 1, 100.0)
    table = compute(record, _no_book(), NO_CANDLES, one)
    market = Market(one)
    assert market.feed(record[0])
    for name in NAMES:
        reference = TWINS[name](market)
        assert abs(table.values[0, INDEX[name]] - reference) <= 1e-9 * abs(reference) + 1e-12, name


def _no_book() -> np.ndarray:
    from shm.layouts import BOOK

    return np.zeros(0, BOOK)


@pytest.mark.parametrize(
    "local,opening,closing",
    [
        ("08:59:59", 0, 0), ("09:00:00", 1, 0), ("09:29:59", 1, 0), ("09:30:00", 0, 0),
        ("17:29:59", 0, 0), ("17:30:00", 0, 1), ("17:59:59", 0, 1), ("18:00:00", 0, 0),
    ],
)  # fmt: skip
def test_edges_of_the_half_hours(local: str, opening: int, closing: int) -> None:
    one = instrument(60, session_open="09:00", session_close="18:00", timezone="America/Sao_Paulo")
    moment = datetime.datetime.fromisoformat(f"2024-03-05T{local}").replace(tzinfo=ZoneInfo("America/Sao_Paulo"))
    table = compute(trade_record(int(moment.timestamp()) * SECOND, 1, 100.0), _no_book(), NO_CANDLES, one)
    assert table.values[0, INDEX["is_opening_30min"]] == opening
    assert table.values[0, INDEX["is_closing_30min"]] == closing


def test_the_same_event_in_another_session_state() -> None:
    """The session begins with the event at its boundary, not one nanosecond before."""
    one = instrument(60, session_open="17:00", session_close="16:00", timezone="America/Chicago")
    boundary = int(datetime.datetime(2024, 3, 5, 17, tzinfo=ZoneInfo("America/Chicago")).timestamp()) * SECOND
    trades = np.concatenate(
        [
            trade_record(boundary - 2, 1, 100.0),
            trade_record(boundary - 1, 2, 100.0, 1, -1),
            trade_record(boundary, 3, 100.0),
        ]
    )
    table = compute(trades, _no_book(), NO_CANDLES, one)
    assert table.values[:, INDEX["cumulative_delta_ratio"]].tolist() == [1.0, 0.0, 1.0]


def test_an_unknown_zone_is_an_error() -> None:
    with pytest.raises(KeyError):
        instrument_record(instrument(60, timezone="Mars/Olympus"))


def test_a_time_outside_the_calendar_is_dropped_and_counted() -> None:
    table = compute(trade_record(5, 1, 100.0), _no_book(), NO_CANDLES, instrument())
    assert len(table) == 0
    assert table.counts["dropped_time"] == 1
