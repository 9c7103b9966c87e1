"""Sessions by the table and by a contract's own hours, its holidays against an independent calendar, last trading days."""

from __future__ import annotations

import datetime
from datetime import UTC, date
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.load import load
from config.schema import Instrument, NoTrade, Sessions
from runtime.expiry import last_trading_day, next_session_day, sessions_left
from runtime.trading_hours import NEVER, TradingHours

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
TABLE = load().sessions
WDO = Instrument(symbol="WDOFUT", order_symbol="WDOZ26", tick=0.5, point_value=10.0)
WIN = Instrument(symbol="WINFUT", order_symbol="WINZ26", tick=5.0, point_value=0.2)
FIRST, LAST = date(2024, 1, 1), date(2027, 12, 31)


def ns(day: date, clock: str, zone: ZoneInfo = SAO_PAULO) -> int:
    hour, minute = (int(part) for part in clock.split(":"))
    moment = datetime.datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
    return int(moment.timestamp()) * 1_000_000_000


def wdo(sessions: Sessions = TABLE) -> TradingHours:
    return TradingHours(WDO, sessions)


def test_a_file_gets_the_table_of_the_exchange() -> None:
    assert TABLE.table == "b3" and len(TABLE.holidays) > 40


@pytest.mark.parametrize(
    "clock, is_open", [("08:59", False), ("09:00", True), ("12:00", True), ("18:29", True), ("18:30", False), ("23:00", False)]
)  # fmt: skip
def test_a_plain_day(clock: str, is_open: bool) -> None:
    window = wdo().at(ns(date(2026, 11, 23), clock))
    assert (window.closed == "") is is_open
    if is_open:
        assert window.closes_ns == ns(date(2026, 11, 23), "18:30")


def test_the_index_closes_earlier() -> None:
    hours = TradingHours(WIN, TABLE)
    assert not hours.at(ns(date(2026, 11, 23), "18:24")).closed
    assert hours.at(ns(date(2026, 11, 23), "18:25")).closed == "outside the session"


@pytest.mark.parametrize(
    "day, why",
    [
        (date(2026, 11, 22), "weekend"), (date(2026, 11, 20), "Black Awareness Day"), (date(2026, 2, 16), "Carnival"),
        (date(2023, 12, 28), "knows nothing of 2023-12-28"), (date(2028, 1, 3), "knows nothing of 2028-01-03"),
    ],
)  # fmt: skip
def test_closed_days_say_why(day: date, why: str) -> None:
    assert why in wdo().at(ns(day, "12:00")).closed


def test_ash_wednesday_opens_late() -> None:
    day = date(2026, 2, 18)
    assert wdo().at(ns(day, "12:59")).closed == "outside the session"
    assert not wdo().at(ns(day, "13:00")).closed
    assert wdo().at(ns(day, "13:00")).closes_ns == ns(day, "18:30")


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:Series.values")
def test_holidays_are_those_of_an_independent_calendar() -> None:
    calendars = pytest.importorskip("exchange_calendars", reason="exchange-calendars is not installed")
    theirs = calendars.get_calendar("BVMF", start=str(FIRST), end="2027-11-19")
    open_days = {session.date() for session in theirs.sessions}
    day, differ = FIRST, []
    while day <= date(2027, 11, 19):
        if (day in open_days) is bool(wdo().closed_on(day)):
            differ.append(day)
        day += datetime.timedelta(days=1)
    assert differ == []
    ash = {special.day for special in TABLE.special}
    late = calendars.get_calendar("BVMF", start=str(FIRST), end="2027-11-19").late_opens
    assert {session.date() for session in late} == ash


def test_own_hours_know_neither_weekends_nor_holidays() -> None:
    es = TradingHours(
        Instrument(symbol="ES", tick=0.25, point_value=50.0, session_open="17:00", session_close="16:00",
                   timezone="America/Chicago"), TABLE,
    )  # fmt: skip
    chicago = ZoneInfo("America/Chicago")
    window = es.at(ns(date(2023, 12, 24), "18:00", chicago))
    assert not window.closed and window.closes_ns == ns(date(2023, 12, 25), "16:00", chicago)
    assert es.at(ns(date(2023, 12, 25), "10:00", chicago)).closes_ns == ns(date(2023, 12, 25), "16:00", chicago)
    assert es.at(ns(date(2023, 12, 25), "16:00", chicago)).closed == "outside the session"
    assert not es.at(ns(date(2023, 12, 25), "17:00", chicago)).closed


def test_a_market_around_the_clock_never_closes() -> None:
    always = TradingHours(
        Instrument(symbol="BTCUSDT", tick=0.1, point_value=1.0, session_open="00:00", session_close="24:00", timezone="UTC"),
        TABLE,
    )  # fmt: skip
    assert always.at(ns(date(2030, 1, 1), "23:59", ZoneInfo("UTC"))).closes_ns == NEVER


@settings(max_examples=200)
@given(st.integers(ns(FIRST, "00:00"), ns(LAST, "23:00")), st.sampled_from([WDO, WIN]))
def test_the_remembered_window_says_what_a_fresh_look_says(market_ns: int, instrument: Instrument) -> None:
    hours = TradingHours(instrument, TABLE)
    window = hours.at(market_ns)
    assert window.from_ns <= market_ns < window.until_ns
    for other_ns in (window.from_ns, (window.from_ns + window.until_ns) // 2, window.until_ns - 1):
        assert TradingHours(instrument, TABLE).at(other_ns).closed == window.closed
    edge = TradingHours(instrument, TABLE).at(window.until_ns)
    assert edge.closed != window.closed or edge.until_ns > window.until_ns


@given(st.integers(ns(FIRST, "00:00"), ns(LAST, "23:00")))
def test_open_is_what_the_wall_clock_says(market_ns: int) -> None:
    local = datetime.datetime.fromtimestamp(market_ns // 1_000_000_000, UTC).astimezone(SAO_PAULO)
    day, clock = local.date(), local.time()
    opens = datetime.time(13) if day in {special.day for special in TABLE.special} else datetime.time(9)
    holiday = day in {holiday.day for holiday in TABLE.holidays}
    expected = day.weekday() < 5 and not holiday and opens <= clock < datetime.time(18, 30)
    assert (not wdo().at(market_ns).closed) is expected


def test_no_trade_windows() -> None:
    windows = (
        NoTrade(starts="09:00", ends="09:05", reason="opening"),
        NoTrade(starts="23:00", ends="01:00", reason="night"),
        NoTrade(starts="15:00", ends="15:30", day=date(2026, 12, 9), reason="rates"),
    )
    hours = wdo(msgspec.structs.replace(TABLE, no_trade=windows))
    day = date(2026, 12, 9)
    assert [hours.quiet(ns(day, clock)) for clock in ("08:59", "09:00", "09:04", "09:05")] == ["", "opening", "opening", ""]
    assert hours.quiet(ns(day, "23:30")) == "night" and hours.quiet(ns(day, "00:59")) == "night"
    assert hours.quiet(ns(day, "01:00")) == ""
    assert hours.quiet(ns(day, "15:00")) == "rates" and hours.quiet(ns(day, "15:30")) == ""
    assert hours.quiet(ns(date(2026, 12, 10), "15:00")) == ""
    starts = {"08:59": "09:00", "09:00": "15:00", "14:59": "15:00", "15:00": "23:00", "22:59": "23:00"}
    for clock, start in starts.items():
        assert hours.next_quiet_ns(ns(day, clock)) == ns(day, start)
    assert hours.next_quiet_ns(ns(day, "23:30")) == ns(date(2026, 12, 10), "09:00")
    assert wdo().next_quiet_ns(ns(day, "09:00")) == NEVER


# --- last trading days


@pytest.mark.parametrize(
    "ticker, last",
    [
        ("WDOZ26", date(2026, 11, 30)), ("WDOF27", date(2026, 12, 30)), ("WDOF26", date(2025, 12, 30)),
        ("WDOH26", date(2026, 2, 27)), ("DOLK26", date(2026, 4, 30)), ("WDOX25", date(2025, 10, 31)),
        ("WDOJ24", date(2024, 3, 28)),  # Good Friday on the 29th
        ("WINZ26", date(2026, 12, 16)), ("WING26", date(2026, 2, 18)), ("WING24", date(2024, 2, 14)),
        ("WINJ25", date(2025, 4, 16)), ("INDQ26", date(2026, 8, 12)),
    ],
)  # fmt: skip
def test_last_trading_days(ticker: str, last: date) -> None:
    assert last_trading_day(ticker, wdo()) == last


def test_a_wednesday_without_a_session_moves_on() -> None:
    from config.schema import Holiday

    closed = msgspec.structs.replace(TABLE, holidays=(*TABLE.holidays, Holiday(day=date(2026, 12, 16), name="flood")))
    assert last_trading_day("WINZ26", wdo(closed)) == date(2026, 12, 17)


@pytest.mark.parametrize("ticker", ["WDOFUT", "WDO", "WDOZ", "WDOZ2026", "WDOA26", "ESZ26", "", "WDOZ23", "WDOH28"])
def test_what_is_no_dated_contract_of_the_table_has_no_last_day(ticker: str) -> None:
    assert last_trading_day(ticker, wdo()) is None


@pytest.mark.parametrize(
    "today, left",
    [(date(2026, 11, 30), 0), (date(2026, 11, 29), 1), (date(2026, 11, 27), 1), (date(2026, 11, 26), 2),
     (date(2026, 12, 1), -1), (date(2023, 1, 2), None)],
)  # fmt: skip
def test_sessions_left(today: date, left: int | None) -> None:
    assert sessions_left(wdo(), today, date(2026, 11, 30)) == left


@given(st.dates(FIRST, date(2027, 12, 1)), st.sampled_from(["WDO", "WIN"]))
def test_a_last_day_has_a_session_in_its_month_or_just_before(day: date, root: str) -> None:
    ticker = f"{root}{'FGHJKMNQUVXZ'[day.month - 1]}{day.year % 100}"
    last = last_trading_day(ticker, wdo())
    if last is None:
        assert root == "WDO" and (day.year, day.month) == (2024, 1), "the table begins there"
        return
    assert not wdo().closed_on(last)
    first = next_session_day(wdo(), day.replace(day=1))
    assert first is not None
    assert (last < first) if root == "WDO" else (12 <= last.day <= 21 and last.month == day.month)
