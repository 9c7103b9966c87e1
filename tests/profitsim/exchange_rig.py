"""The library in a session with the project's own exchange, which is stepped by hand on a manual clock."""

from __future__ import annotations

from config.schema import Config
from profitdll.library import Library
from profitdll.routing import Account
from profitdll.session import Session
from tests.exchange.kit import SteppedExchange, config_of
from tests.profitsim.conftest import Rig

ACCOUNT = Account(0, "paper")


class ExchangeRig(Rig):
    """A session whose exchange is the real one; `until` lets the exchange work meanwhile."""

    def __init__(self, library: Library, config: Config | None = None) -> None:
        super().__init__(library)
        self.exchange = SteppedExchange(config or config_of()).open()

    def log_in(self, *, full: bool, password: str = "paper") -> Session:
        self.session = self.make_session(full=full, password=password, port=self.exchange.counters["port"])
        self.session.open()
        return self.session

    def connect_to_exchange(self, *, full: bool) -> Session:
        session = self.log_in(full=full)
        self.exchange.until(lambda: session.connected, "the connected states")
        return session

    def start_market(self) -> None:
        self.exchange.started = True
        self.exchange.step()
        self.exchange.step(1.5)

    def close(self) -> None:
        super().close()
        self.exchange.close()
