"""The live view in the terminal: stages, latencies and the position, drawn from the shared counters once or twice a second.

A reader like any other: it holds nothing up and changes nothing.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from config.schema import Config
from runtime import report
from runtime.clock import monotonic_ns
from shm.counters import RunCounters

REFRESH_NS = 500_000_000
SHOWN_COUNTS = 5
STATE_STYLES = {"running": "green", "starting": "yellow", "stopping": "yellow", "stopped": "dim", "failed": "bold red"}


class TerminalView:
    """Use as a context manager; `draw` may be called as often as one likes."""

    def __init__(self, config: Config, title: str, console: Console | None = None) -> None:
        self._config = config
        self._title = title
        self._console = console or Console()
        self._live = Live(console=self._console, auto_refresh=False, transient=False)
        self._next_ns = 0
        self._lines: list[str] = []

    def __enter__(self) -> TerminalView:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def tell(self, line: str) -> None:
        """A line of news: shown above the tables as long as it is among the newest."""
        self._lines.append(line)

    def draw(self, run: RunCounters) -> None:
        now_ns = monotonic_ns()
        if now_ns < self._next_ns:
            return
        self._next_ns = now_ns + REFRESH_NS
        self._live.update(Group(*self.parts(run)), refresh=True)

    def parts(self, run: RunCounters) -> list[Any]:
        """What is drawn: title, money, stages, latencies, news."""
        figures = report.summary(run, self._config)
        return [
            Text(f"{self._title}  mode {self._config.mode}", style="bold"),
            _money(figures),
            _stages(report.stage_table(run, self._config)),
            _latencies(figures["latency_us"]),
            *(Text(line, style="yellow") for line in self._lines[-3:]),
        ]


def _money(figures: dict[str, Any]) -> Text:
    positions = ", ".join(f"{symbol} {_number(value)}" for symbol, value in figures["position"].items())
    profit = "unknown" if figures["profit"] is None else f"{figures['profit']:,.2f}"
    text = Text(
        f"position {positions}   realised profit {profit}   lost {figures['lost']}   gaps {_number(figures['feed_gap_events'])}"
    )
    if figures["lost"]:
        text.stylize("bold red")
    return text


def _number(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def _stages(rows: dict[str, dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("stage", "state", "pid", "restarts", "counts"):
        table.add_column(heading, justify="right" if heading in ("pid", "restarts") else "left", no_wrap=True)
    for name, row in rows.items():
        largest = sorted(((k, v) for k, v in row["counts"].items() if v), key=lambda item: -item[1])[:SHOWN_COUNTS]
        shown = "  ".join(f"{key} {value:,}" for key, value in largest)
        state = Text(row["state"], style=STATE_STYLES.get(row["state"], ""))
        table.add_row(name, state, str(row["pid"]), str(row["restarts"]), Text(shown, overflow="ellipsis"))
    return table


def _latencies(rows: dict[str, dict[str, Any] | None]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("latency", "samples", "p50 us", "p99 us", "p99.9 us"):
        table.add_column(heading, justify="left" if heading == "latency" else "right", no_wrap=True)
    for hop, row in rows.items():
        if row is not None:
            table.add_row(hop, f"{row['samples']:,}", f"{row['p50']:,}", f"{row['p99']:,}", f"{row['p99.9']:,}")
    return table
