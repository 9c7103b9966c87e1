"""The simulated exchange by itself, without a pipeline: for people who develop a client of ProfitDLL against it.

It steps the very stage that a run has, in this process and with counters in a dict. It prints where it listens and what
a client must say; it must never hold anything that the stage does not: what works here works in a run.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config.schema import Config
from exchange.profitsim import build
from exchange.stage import ExchangeStage
from runtime import clock
from runtime.secrets import PAPER, credentials, simulated_password
from runtime.stage import Refusal

TURN_NS = 50_000_000  # how long a stop signal may wait


class PlainCounters(dict[str, int]):
    """The stage's counters, for this process only."""

    def declare(self, *names: str) -> None:
        for name in names:
            self.setdefault(name, 0)

    def set(self, name: str, value: int) -> None:
        self[name] = value

    def add(self, name: str, count: int = 1) -> None:
        self[name] += count


class MonotonicClock:
    """Monotonic time; nobody maps market time here, the exchange makes its own."""

    def monotonic_ns(self) -> int:
        return clock.monotonic_ns()

    def market_ns(self) -> int:
        return 0


class AloneContext:
    """What the stage asks of its context. `wait_for_client`: the market stands still until one has logged in."""

    name = "exchange"
    epoch = 0

    def __init__(self, config: Config, wait_for_client: bool, log: logging.Logger) -> None:
        self.config = config
        self.clock = MonotonicClock()
        self.counters = PlainCounters()
        self.log = log
        self.run_folder = Path.cwd()
        self._waits = wait_for_client

    def market_start_requested(self) -> bool:
        self._waits = self._waits and not self.counters.get("clients")
        return not self._waits

    def market_stop_requested(self) -> bool:
        return False


def run(
    config: Config, arguments: argparse.Namespace, say: Callable[[str], None], complain: Callable[[str], None]
) -> int:
    """Play the exchange until Ctrl-C, SIGTERM or --duration. Exit codes as the supervisor's: 0, or 3 when refused."""
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s")
    context: Any = AloneContext(config, arguments.wait, logging.getLogger("exchange"))
    stage = ExchangeStage()
    stage._context = context
    stopped = Stop(arguments.duration)
    try:
        stage.on_start(context)
        facts = introduction(config, stage.server.port)
        say(json.dumps(facts) if arguments.json else in_words(facts))
        while not stopped():
            if stage.do_work() == 0:
                stage.wait(TURN_NS)
    except Refusal as error:
        complain(str(error))
        return 3
    finally:
        stage.on_close()
        stopped.forget()
    if not arguments.json:
        say(", ".join(f"{name} {value:,}" for name, value in context.counters.items() if value and name != "port"))
    return 0


class Stop:
    """Whether it is time to end. A signal only sets a flag: the stage is never interrupted in the middle."""

    def __init__(self, duration_s: float | None) -> None:
        self._asked = False
        self._end_ns = None if duration_s is None else clock.monotonic_ns() + int(duration_s * 1e9)
        self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}

    def forget(self) -> None:
        """Give the signals back to whom they belonged."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: object) -> None:
        self._asked = True

    def __call__(self) -> bool:
        return self._asked or (self._end_ns is not None and clock.monotonic_ns() >= self._end_ns)


def introduction(config: Config, port: int) -> dict[str, Any]:
    """Everything a client has to know. The words are the simulator's own defaults unless the environment says others."""
    routing = credentials(config.mode, simulated=True).routing_password
    return {
        "host": "127.0.0.1",
        "port": port,
        "library": str(build.output_path(build.host_target())),
        "password": shown(simulated_password(), "QT_SIMULATED_PASSWORD or QT_DLL_PASSWORD"),
        "routing_password": shown(routing, "QT_DLL_ROUTING_PASSWORD"),
        "account": config.execution.account,
        "broker": config.execution.broker,
        "instruments": [
            {"ticker": each.symbol, "order_ticker": each.contract, "exchange": each.exchange, "tick": each.tick}
            for each in config.instruments
        ],
        "market": f"tape {config.exchange.tape}" if config.exchange.tape else f"generated, seed {config.exchange.seed}",
        "speed": config.exchange.speed,
    }


def shown(secret: str, variables: str) -> str:
    """A password of the simulator's own; one that somebody set is never printed."""
    return secret if secret == PAPER else f"as in {variables}"


def in_words(facts: dict[str, Any]) -> str:
    """The introduction for a person; its first line can be pasted into a shell."""
    lines = [
        f"PROFITSIM_HOST={facts['host']} PROFITSIM_PORT={facts['port']}",
        f"  library   {facts['library']}",
        f"  login     any key and user, password {facts['password']}; one session for each key",
        f"  orders    account {facts['account']}, broker {facts['broker']}, routing password {facts['routing_password']}",
    ]
    for each in facts["instruments"]:
        other = "" if each["order_ticker"] == each["ticker"] else f", orders name {each['order_ticker']}"
        lines.append(f"  ticker    {each['ticker']} on {each['exchange']}, tick {each['tick']:g}{other}")
    lines.append(f"  market    {facts['market']}, {facts['speed']:g} market seconds per second; Ctrl-C ends it")
    return "\n".join(lines)
