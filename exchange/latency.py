"""How long messages travel: a delay model for each route, and the line on which messages wait for their arrival.

Routes are three: order entry (client to market), reports (acknowledgements, fills and positions back), and market data.
Delays are monotonic time. A connection keeps its order, as TCP does: nothing overtakes what was sent before on it.

    constant    ms
    lognormal   exp(N(ln ms, sigma^2)): median ms; the mean is ms x exp(sigma^2 / 2)
    replayed    the delays of a file in their order, over and over: one number of ms a line, # begins a comment

Seeded; no clock. `read_delays` is the only thing here that opens a file.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from config.schema import Exchange, Latency

ORDER_ENTRY, REPORTS, MARKET_DATA = 0, 1, 2
DRAWS = 1024  # made at once
T = TypeVar("T")


class BadLatency(ValueError):
    """A file of delays cannot be used; the message names it."""


def read_delays(path: Path) -> list[float]:
    """Milliseconds of a file. Raises BadLatency."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadLatency(f"{path} cannot be read: {error}") from error
    found = []
    for number, line in enumerate(lines, start=1):
        words = line.partition("#")[0].strip()
        if not words:
            continue
        try:
            value = float(words)
        except ValueError:
            raise BadLatency(f"{path}, line {number}: {words!r} is not a number of milliseconds") from None
        if not 0 <= value < math.inf:
            raise BadLatency(f"{path}, line {number}: {words} is not a delay")
        found.append(value)
    if not found:
        raise BadLatency(f"{path} has no delay in it")
    return found


class Route:
    """One route's delays. number: ORDER_ENTRY and so on; seed: the exchange's."""

    def __init__(self, spec: Latency, seed: int, number: int) -> None:
        self._spec = spec
        self._rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, number])))
        self._ns: list[int] = []
        self._at = 0
        self._last_ns: dict[int, int] = {}  # connection -> when its newest message arrives
        if spec.kind == "replayed":
            self._ns = _whole_ns(read_delays(Path(spec.file)))

    @property
    def immediate(self) -> bool:
        """Whether nothing ever waits on it."""
        return self._spec.kind == "constant" and self._spec.ms == 0

    def delay_ns(self) -> int:
        """The next message's delay, >= 0."""
        spec = self._spec
        if spec.kind == "constant":
            return int(spec.ms * 1e6)
        if self._at == len(self._ns):
            self._at = 0
            if spec.kind == "lognormal":
                draws = np.exp(self._rng.standard_normal(DRAWS) * spec.sigma)
                self._ns = _whole_ns((draws * spec.ms).tolist())
        self._at += 1
        return self._ns[self._at - 1]

    def arrival_ns(self, sent_ns: int, connection: int = 0) -> int:
        """When a message that is sent now arrives; never before an earlier one of the same connection."""
        found = max(self._last_ns.get(connection, 0), sent_ns + self.delay_ns())
        self._last_ns[connection] = found
        return found


def routes_of(config: Exchange) -> dict[int, Route]:
    """The three routes as configured, each with random numbers of its own. Raises BadLatency."""
    specs = {ORDER_ENTRY: config.order_latency, REPORTS: config.report_latency, MARKET_DATA: config.market_latency}
    return {number: Route(spec, config.seed, number) for number, spec in specs.items()}


def _whole_ns(ms: Sequence[float]) -> list[int]:
    return [int(value * 1e6) for value in ms]


class Line(Generic[T]):
    """Messages on their way along a route, first in, first out."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self._waiting: deque[tuple[int, T]] = deque()

    def put(self, message: T, now_ns: int) -> None:
        """It is sent now."""
        self._waiting.append((self.route.arrival_ns(now_ns), message))

    def arrived(self, now_ns: int) -> list[T]:
        """What has arrived, in the order in which it was sent."""
        out = []
        while self._waiting and self._waiting[0][0] <= now_ns:
            out.append(self._waiting.popleft()[1])
        return out

    def next_due_ns(self) -> int | None:
        """When the next message arrives; None: nothing is on its way."""
        return self._waiting[0][0] if self._waiting else None
