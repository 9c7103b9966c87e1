"""Login, states, refusals, lost connections, and what must not be called when."""

from __future__ import annotations

import ctypes

import pytest

from exchange import protocol as wire
from profitdll import prototypes
from profitdll.constants import NL_CODES, NL_OK
from profitdll.errors import DllError, LoginRefused, SessionError, SessionTimeout
from profitdll.library import Library
from profitdll.market import Market
from profitdll.market_time import utc_ns
from profitdll.session import Credentials, Session
from profitdll.structs import SystemTime
from tests.profitsim.conftest import LIMIT_S, Rig
from tests.profitsim.scripted import NOON_NS


def test_a_market_login_reaches_every_state(rig: Rig) -> None:
    session = rig.connect()
    assert rig.heard.of("state") == [(2, 1), (0, 0), (3, 0), (2, 4)]
    assert session.connected and not session.missing()
    assert session.states == {2: 4, 0: 0, 3: 0}
    login = rig.server.wait_for(wire.LOGIN)[0]
    assert (login["key"], login["user"], login["password"], login["full"]) == (b"key", b"user", b"password", 0)


def test_a_full_login_also_connects_routing_and_tells_its_accounts(rig: Rig) -> None:
    rig.connect(full=True)
    assert rig.heard.of("state") == [(2, 1), (0, 0), (3, 0), (1, 2), (1, 5), (2, 4)]
    assert rig.heard.of("account_list") == [(7, 1)]
    assert rig.heard.of("order_history") == [(7, "12345", "")]
    assert rig.server.wait_for(wire.LOGIN)[0]["full"] == 1


def test_every_callback_runs_on_one_thread(rig: Rig) -> None:
    rig.connect(full=True)
    Market(rig.library).subscribe("WDOFUT", "F")
    rig.heard.wait("ticker_state")
    assert len(rig.heard.threads) == 1


@pytest.mark.parametrize(("code", "mend"), [(1, "check the user name"), (2, "password is wrong"), (3, "unblock"),
                                            (4, "set a new one"), (200, "no reason")])  # fmt: skip
def test_a_refused_login_says_what_to_do(rig: Rig, code: int, mend: str) -> None:
    rig.server.login_code = code
    session = rig.open()
    with pytest.raises(LoginRefused, match=mend) as refused:
        session.wait_connected(LIMIT_S)
    assert refused.value.code == code
    assert not session.connected


def test_an_invalid_activation_key_is_a_refusal(rig: Rig) -> None:
    session = rig.connect()
    rig.server.send(wire.STATE, type=3, value=1)
    rig.settle()
    with pytest.raises(LoginRefused, match="activation key is not valid"):
        session.wait_connected(LIMIT_S)


def test_a_silent_server_is_a_timeout_that_names_what_is_missing(rig: Rig) -> None:
    rig.server.mute = True
    session = rig.open(full=True)
    with pytest.raises(SessionTimeout, match=r"no answer to the login.*routing.*market data are not connected \(conn"):
        session.wait_connected(0.3)


def test_slow_callbacks_are_no_lost_connection(rig: Rig) -> None:
    session = rig.connect()
    rig.server.send(wire.STATE, type=2, value=5)
    rig.settle()
    assert session.connected and session.market_slow


def test_a_lost_connection_comes_back_with_its_subscriptions(rig: Rig) -> None:
    session = rig.connect(full=True)
    market = Market(rig.library)
    market.subscribe("WDOFUT", "F")
    market.subscribe_depth("WINFUT", "F")
    rig.server.wait_for(wire.SUBSCRIBE, 2)
    before = len(rig.heard.of("state"))
    rig.server.drop()
    asked = rig.server.wait_for(wire.SUBSCRIBE, 4)[2:]
    assert [(body["ticker"], body["trades"], body["depth"], body["on"]) for body in asked] == [
        (b"WDOFUT", 1, 0, 1),
        (b"WINFUT", 0, 1, 1),
    ]
    session.wait_connected(LIMIT_S)
    rig.settle()
    states = rig.heard.of("state")[before:-1]
    assert states == [(1, 0), (2, 0), (2, 1), (0, 0), (3, 0), (1, 2), (1, 5), (2, 4)]


def test_a_server_that_comes_late_is_found(library: Library) -> None:
    rig = Rig(library)
    rig.server.close()
    session = rig.open()
    with pytest.raises(SessionTimeout):
        session.wait_connected(0.3)
    rig.server = type(rig.server)(rig.server.port)
    try:
        session.wait_connected(LIMIT_S)
    finally:
        rig.close()


def test_a_second_session_is_refused_while_the_first_is_open(rig: Rig) -> None:
    session = rig.connect()
    second = Session(rig.library, Credentials("key", "user", "password"), full=False)
    with pytest.raises(DllError, match="one session for each activation key") as refused:
        second.open()
    assert refused.value.name == "NL_DUPLICATE_RESOURCE"
    with pytest.raises(SessionError, match="already"):
        session.open()
    assert session.connected


def test_sessions_may_follow_each_other_in_the_simulation(library: Library) -> None:
    for full in (False, True, False):
        rig = Rig(library)
        try:
            rig.connect(full=full)
        finally:
            rig.close()


def test_the_real_library_is_not_initialised_twice_in_a_process(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    session = rig.connect()
    session.close()
    monkeypatch.setattr(rig.library, "is_simulated", False)
    with pytest.raises(SessionError, match="start a new process"):
        session.open()


def test_close_unregisters_before_it_finalises_and_can_be_repeated(rig: Rig) -> None:
    session = rig.connect()
    session.close()
    heard = len(rig.heard.events)
    session.close()
    assert len(rig.heard.events) == heard, "a callback ran during or after the teardown"
    assert not session.connected
    assert rig.library.dll.DLLFinalize() == NL_CODES["NL_NOT_INITIALIZED"]


def test_nothing_works_before_a_session(library: Library) -> None:
    for call in (
        lambda: Market(library).subscribe("WDOFUT", "F"),
        lambda: Market(library).server_clock_ns(),
        lambda: Market(library).depth("WDOFUT", "F", 0),  # type: ignore[arg-type]
    ):
        with pytest.raises(DllError) as error:
            call()
        assert error.value.name == "NL_NOT_INITIALIZED"


def test_requests_wait_for_the_login(rig: Rig) -> None:
    rig.server.mute = True
    rig.open()
    for request in (Market(rig.library).subscribe, Market(rig.library).subscribe_depth):
        with pytest.raises(DllError) as error:
            request("WDOFUT", "F")
        assert error.value.name == "NL_WAITING_SERVER"


def test_a_request_inside_a_callback_is_refused_and_counted(rig: Rig) -> None:
    dll, codes = rig.library.dll, []
    before = dll.profitsim_refused()

    @prototypes.StateCallback
    def state(kind: int, value: int) -> None:
        if kind == 42:
            codes.append(dll.SubscribeTicker("WDOFUT", "F"))
            codes.append(dll.GetAccountCount())
            codes.append(dll.DLLFinalize())
            codes.append(dll.SubscribePriceDepth(None))
            rig.heard.note("asked")

    rig.connect(full=True)
    assert dll.SetStateCallback(ctypes.cast(state, ctypes.c_void_p)) == NL_OK
    rig.server.send(wire.STATE, type=42, value=0)
    rig.heard.wait("asked")
    dll.SetStateCallback(None)
    assert codes[:3] == [NL_CODES["NL_INTERNAL_ERROR"]] * 3
    assert codes[3] == NL_CODES["NL_INVALID_ARGS"]
    assert dll.profitsim_refused() - before == 3
    assert not [kind for kind, _ in rig.server.received if kind == wire.SUBSCRIBE]


def test_the_clock_stands_and_runs_at_the_speed_it_was_told(rig: Rig) -> None:
    rig.connect()
    market = Market(rig.library)
    assert market.server_clock_ns() == NOON_NS
    rig.server.send(wire.CLOCK, market_ns=NOON_NS, speed=1000.0, running=1)
    rig.settle()
    first, last = market.server_clock_ns(), market.server_clock_ns()
    while last - first < 5_000_000_000:  # five market seconds are five real milliseconds
        last = market.server_clock_ns()
    rig.server.send(wire.CLOCK, market_ns=NOON_NS + 1_500_000, speed=1000.0, running=0)
    rig.settle()
    assert market.server_clock_ns() == NOON_NS + 1_000_000


def test_the_clock_gives_the_same_time_as_a_day_number(rig: Rig) -> None:
    rig.connect()
    date, parts = ctypes.c_double(), [ctypes.c_int32() for _ in range(7)]
    assert rig.library.dll.GetServerClock(date, *parts) == NL_OK
    assert [part.value for part in parts] == [2025, 11, 24, 12, 0, 0, 0]
    assert date.value == 45985.5  # days since 1899-12-30
    assert utc_ns(SystemTime(2025, 11, 0, 24, 12, 0, 0, 0)) == NOON_NS


def test_the_clock_is_unknown_until_it_was_told(rig: Rig) -> None:
    rig.server.clock = None
    rig.connect()
    with pytest.raises(DllError) as error:
        Market(rig.library).server_clock_ns()
    assert error.value.name == "NL_WAITING_SERVER"


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", "5"), ("127.0.0.1", "0"), ("127.0.0.1", "x"), ("::1", "5")])
def test_only_loopback_addresses_are_taken(library: Library, host: str, port: str) -> None:
    assert library.dll.SetServerAndPort(host, port) == NL_CODES["NL_INVALID_ARGS"]


def test_the_address_may_come_from_the_environment(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFITSIM_PORT", str(rig.server.port))
    session = Session(rig.library, Credentials("key", "user", "password"), full=False, listener=rig.listener())
    with session:
        session.wait_connected(LIMIT_S)
        assert session.connected


def test_without_an_address_it_cannot_start(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROFITSIM_PORT", raising=False)
    with pytest.raises(DllError) as error:
        Session(library, Credentials("key", "user", "password"), full=False).open()
    assert error.value.name == "NL_INVALID_ARGS"


def test_an_unknown_frame_ends_the_connection_not_the_session(rig: Rig) -> None:
    session = rig.connect()
    rig.server.send_bytes(b"\x0c\x00\x00\x00\xff\xff\x01\x00abcd")
    rig.server.wait_for(wire.LOGIN, 2)
    session.wait_connected(LIMIT_S)


def test_text_beyond_ascii_survives_the_way(library: Library) -> None:
    rig = Rig(library)
    try:
        session = Session(
            library,
            Credentials("key", "João", "sênha€𝄞"),
            full=True,
            listener=rig.listener(),
            server=("127.0.0.1", rig.server.port),
        )
        with session:
            session.wait_connected(LIMIT_S)
            login = rig.server.wait_for(wire.LOGIN)[0]
        assert (login["user"].decode(), login["password"].decode()) == ("João", "sênha€𝄞")
        assert "João" not in repr(session._credentials)
    finally:
        rig.close()


def test_the_thread_state_of_the_connector_outlives_its_callbacks(library: Library) -> None:
    """Kept, a callback costs a third of a microsecond instead of ten: what one callback left is there in the next."""
    import threading

    rig, seen, here = Rig(library), [], threading.local()

    def state(kind: int, value: int) -> None:
        seen.append(getattr(here, "count", 0))
        here.count = seen[-1] + 1
        rig.heard.note("state", kind, value)

    listener = rig.listener()
    listener.state = state
    try:
        server = ("127.0.0.1", rig.server.port)
        with Session(
            library, Credentials("key", "user", "password"), full=True, listener=listener, server=server
        ) as session:
            session.wait_connected(LIMIT_S)
        assert seen[:6] == list(range(6))
    finally:
        rig.close()
