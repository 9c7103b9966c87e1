"""Opens the order session of this run: the right library, account, credentials and server; failures in words.

What no restart mends (a refused login, an unknown account, a missing library) is a Refusal and ends the run; a server
that does not answer is not, and the launcher tries again.
"""

from __future__ import annotations

from collections.abc import Callable

from execution.contracts import contracts_of
from execution.profitdll_broker import AccountUnknown, ProfitDllBroker
from profitdll.errors import DllError, DllNotFound, LoginRefused, MissingExport, SessionTimeout, WrongBitness
from profitdll.routing import Account
from runtime.context import StageContext
from runtime.dll_session import refused_login, session_maker
from runtime.secrets import MissingCredentials, credentials
from runtime.stage import Refusal
from shm.doorbell import MAX_SLEEP_NS


def connect(context: StageContext, changed: Callable[[int, str], None]) -> ProfitDllBroker:
    """A broker that is logged in. changed: see ProfitDllBroker. Raises Refusal, SessionTimeout, DllError."""
    config = context.config
    execution = config.execution
    server = None
    if context.info.simulated:
        server = ("127.0.0.1", _exchange_port(context))
    try:
        broker = ProfitDllBroker(
            context.info.dll_path,
            contracts_of(config),
            Account(execution.broker, execution.account),
            credentials(config.mode, simulated=context.info.simulated),
            changed,
            server,
            session_maker(context),
        )
        try:
            broker.open(config.dll.connect_timeout_s, context.beat)
        except (LoginRefused, AccountUnknown, SessionTimeout, DllError):
            broker.close()
            raise
    except (LoginRefused, AccountUnknown, MissingCredentials, DllNotFound, WrongBitness, MissingExport) as error:
        raise Refusal(f"the order session cannot be opened: {refused_login(error, config)}") from error
    except DllError as error:
        if context.epoch == 0:  # nothing that a restart mends
            raise Refusal(f"the order session cannot be opened: {refused_login(error, config)}") from error
        raise
    return broker


def _exchange_port(context: StageContext) -> int:
    """Wait for the simulated exchange to listen. Raises SessionTimeout."""
    give_up_ns = context.clock.monotonic_ns() + int(context.config.dll.connect_timeout_s * 1e9)
    while not (port := context.exchange_port()):
        if context.clock.monotonic_ns() >= give_up_ns:
            raise SessionTimeout("the simulated exchange does not listen; see the log of the stage `exchange`")
        context.beat()
        context.wait(MAX_SLEEP_NS)
    return port
