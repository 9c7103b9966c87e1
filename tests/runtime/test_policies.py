"""The pure parts of the runtime: restart policy, live gate, clocks, credentials, sessions, logs."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.load import load
from config.schema import Config, Instrument
from ingest.market_clock import MILLISECOND_NS, ClockMapping
from runtime.clock import ManualClock
from runtime.live_gate import NotLive, check_mode
from runtime.logs import open_log
from runtime.restart_policy import FIRST_DELAYS_S, RestartPolicy
from runtime.secrets import FIELDS, MissingCredentials, credentials
from runtime.sessions import session_days, trading_span_before
from runtime.wait import waits_of
from runtime.watchdog import FINE, Watchdog
from shm.counters import RUNNING, STARTING

SECOND = 1_000_000_000
replace = msgspec.structs.replace
WDO = Instrument(symbol="WDOFUT", tick=0.5, point_value=10.0)


def test_restarts_are_immediate_then_slower_then_given_up() -> None:
    policy = RestartPolicy(limit=4, window_s=60)
    assert [policy.ended(i) for i in range(5)] == [*FIRST_DELAYS_S[:4], None]


def test_old_restarts_are_forgotten() -> None:
    policy = RestartPolicy(limit=2, window_s=60)
    assert [policy.ended(i * 61 * SECOND) for i in range(20)] == [0.0] * 20


@given(st.lists(st.integers(0, 10 * SECOND), max_size=60), st.integers(1, 12))
def test_never_more_restarts_than_the_limit_in_any_window(pauses: list[int], limit: int) -> None:
    policy, now_ns, granted = RestartPolicy(limit, 60.0), 0, []
    for pause in pauses:
        now_ns += pause
        if policy.ended(now_ns) is not None:
            granted.append(now_ns)
    for start in granted:
        assert sum(start <= t < start + 60 * SECOND for t in granted) <= limit


def configured(**fields: object) -> Config:
    return msgspec.structs.replace(load(), **fields)


def test_nobody_goes_live_by_half(tmp_path: Path) -> None:
    dll = msgspec.structs.replace(load().dll, path=str(tmp_path / "ProfitDLL64.dll"))
    check_mode(configured(), None)
    check_mode(configured(mode="dry-run", dll=dll), None)
    check_mode(configured(mode="live", dll=dll), "paper")
    for config, account, message in [
        (configured(mode="live", dll=dll), None, "needs the account on the command line"),
        (configured(mode="live", dll=dll), "other", "not the configured account"),
        (configured(mode="live"), "paper", "needs dll.path"),
        (configured(mode="dry-run", dll=dll), "paper", 'set mode = "live"'),
        (configured(mode="paper", dll=dll), None, "uses the simulated DLL"),
    ]:
        with pytest.raises(NotLive, match=message):
            check_mode(config, account)


def test_a_manual_clock_stands_still_until_told() -> None:
    clock = ManualClock(5, 100)
    clock.advance(10, speed=20)
    assert (clock.monotonic_ns(), clock.market_ns()) == (15, 300)
    assert clock.ns_until(330) == 30 and ManualClock(5).ns_until(330) == 0
    with pytest.raises(ValueError, match="do not go back"):
        clock.advance(-1)


@given(
    st.integers(0, 10**15), st.floats(0.5, 50), st.lists(st.integers(1, 200_000_000), min_size=1, max_size=60)
)
def test_the_market_clock_is_right_within_a_millisecond(start_ns: int, speed: float, pauses: list[int]) -> None:
    mapping, now_ns = ClockMapping(speed), 10**12
    for pause in pauses:
        now_ns += pause
        true_ns = start_ns + int(now_ns * speed)
        mapping.reading(true_ns // MILLISECOND_NS * MILLISECOND_NS, now_ns)
        error = true_ns - mapping.market_at(now_ns)
        assert -1_000 <= error <= MILLISECOND_NS + 20_000 * speed * len(pauses) + 1_000


def test_the_market_clock_starts_over_when_the_server_jumps() -> None:
    mapping = ClockMapping(20.0)
    mapping.reading(SECOND, 0)
    mapping.reading(SECOND, 500_000_000)  # the server's clock stands still
    assert mapping.jumps == 1
    assert mapping.market_at(500_000_000) == SECOND


def test_credentials_come_from_the_environment_and_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in FIELDS.values():
        monkeypatch.delenv(variable, raising=False)
    assert credentials("paper").password == "paper"
    monkeypatch.setattr("runtime.secrets._from_keyring", lambda variable: "")
    with pytest.raises(MissingCredentials, match="QT_DLL_KEY is not set: mode live needs it"):
        credentials("live")
    for variable in FIELDS.values():
        monkeypatch.setenv(variable, "hunter2")
    found = credentials("live")
    assert found.routing_password == "hunter2"
    assert "hunter2" not in repr(found)


def test_a_session_follows_the_local_calendar() -> None:
    days = session_days(WDO, datetime.date(2018, 11, 2), 4)  # clocks went forward on the 4th
    lengths = [int(end - start) // (3600 * SECOND) for start, end in days]
    assert lengths == [24, 24, 23, 24]
    overnight = Instrument(symbol="X", tick=1, point_value=1, session_open="18:00", session_close="17:00")
    ((start, _),) = session_days(overnight, datetime.date(2026, 11, 20), 1)
    assert datetime.datetime.fromtimestamp(int(start) / SECOND, ZoneInfo("America/Sao_Paulo")).hour == 18


def test_history_is_asked_across_the_weekend() -> None:
    zone = ZoneInfo("America/Sao_Paulo")
    monday = int(datetime.datetime(2026, 11, 23, 10, 0, tzinfo=zone).timestamp()) * SECOND
    start = datetime.datetime.fromtimestamp(trading_span_before(WDO, monday, 200) / SECOND, zone)
    assert (start.day, start.hour, start.minute) == (20, 15, 40)  # 60 minutes of Monday, 140 of Friday until 18:00


def test_logs_are_json_with_their_fields(tmp_path: Path) -> None:
    log = open_log(tmp_path, "features", 3, "INFO")
    log.info("resumed", extra={"fields": {"ingest_seq": 7}})
    try:
        raise ValueError("x")
    except ValueError:
        log.exception("bad")
    for handler in log.handlers:
        handler.flush()
    first, second = (json.loads(line) for line in (tmp_path / "features.jsonl").read_text("utf-8").splitlines())
    assert (first["text"], first["fields"], first["stage"], first["epoch"]) == ("resumed", {"ingest_seq": 7}, "features", 3)
    assert "ValueError: x" in second["exception"]


def watchdog() -> Watchdog:
    return Watchdog(hung_after_ns=2 * SECOND, start_limit_ns=60 * SECOND, stop_limit_ns=10 * SECOND)


def test_a_silent_stage_is_hung_and_a_starting_one_has_more_time() -> None:
    dog = watchdog()
    assert dog.look(2 * SECOND, RUNNING, False, 0, 1, 1) == FINE
    assert "not beaten for 2.1 s (running)" in dog.look(21 * SECOND // 10, RUNNING, False, 0, 1, 1)
    assert dog.look(59 * SECOND, STARTING, False, 0, 0, 0) == FINE
    assert "starting" in dog.look(61 * SECOND, STARTING, False, 0, 0, 0)
    assert dog.look(9 * SECOND, RUNNING, True, 0, 0, 0) == FINE


def test_a_beating_stage_that_gets_nothing_done_while_records_come_is_spinning() -> None:
    dog, verdicts = watchdog(), []
    for tenth in range(60):
        now_ns = tenth * SECOND // 10
        verdicts.append(dog.look(now_ns, RUNNING, False, now_ns, 7, 100 + tenth))
    assert verdicts[:20] == [FINE] * 20
    assert "while records came" in verdicts[-1]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=80))
def test_a_stage_without_input_or_with_progress_is_never_spinning(steps: list[tuple[bool, bool]]) -> None:
    dog, progress, published = watchdog(), 0, 0
    for number, (works, comes) in enumerate(steps):
        now_ns = number * SECOND
        published += comes
        progress += comes or works  # what comes is worked on within the second
        assert dog.look(now_ns, RUNNING, False, now_ns, progress, published) == FINE


def test_execution_may_wait_in_another_way_than_the_rest() -> None:
    config = load()
    assert [waits_of(config, name) for name in ("features", "execution")] == ["block", "block"]
    own = replace(config, execution=replace(config.execution, wait="spin"))
    assert [waits_of(own, name) for name in ("features", "execution")] == ["block", "spin"]
    rest = replace(config, runtime=replace(config.runtime, wait="yield"))
    assert [waits_of(rest, name) for name in ("features", "execution")] == ["yield", "yield"]
