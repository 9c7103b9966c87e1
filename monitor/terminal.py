"""The live view in the terminal: the money, the stages and the latencies, drawn from shared memory twice a second.

A reader like any other: it holds nothing up and changes nothing.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from monitor.money import Standing, market_time, standings
from runtime import report
from runtime.clock import monotonic_ns
from runtime.run_info import RunInfo
from shm.counters import RunCounters
from shm.layouts import BOOK, TRADE
from shm.ring import attach_ring

REFRESH_NS = 500_000_000
NEWS = 3
PIPE_COLUMNS = 400
TRADING = ("", "TRADING IS REDUCING   ", "TRADING IS HALTED   ")
STATE_STYLES = {"running": "green", "starting": "yellow", "stopping": "yellow", "stopped": "dim", "failed": "bold red"}
SHOWN = {
    "exchange": ("trades", "books", "orders", "fills", "clients"),
    "ingest": ("trades", "books", "candles", "gaps", "repeats", "history_bars"),
    "recorder": ("rows", "bytes", "lost"),
    "features": ("vectors", "behind", "lost", "checkpoints"),
    "ml": ("signals", "abstentions", "predictions", "lost"),
    "gateway": ("commands", "refused", "reports", "session_losses", "lost"),
    "execution": ("decisions_buy", "decisions_sell", "decisions_hold", "orders", "orders_ahead", "orders_not_sent", "fills",
                  "stops_resting"),
}  # fmt: skip
AGENT = ("signals", "abstentions", "lost")
LEGEND = "lost: records that a reader was too slow for   gaps: market events that ingest never got   times in us or ms"


class TerminalView:
    """Use as a context manager; `draw` may be called as often as one likes."""

    def __init__(self, info: RunInfo, console: Console | None = None) -> None:
        self._info = info
        self._console = console or Console()
        self._live = Live(console=self._console, auto_refresh=False, transient=False)
        self._next_ns = 0
        self._lines: list[str] = []
        capacity = info.ring_capacity
        self._trades = attach_ring(info.prefix + "trades", TRADE, capacity("trades"))
        self._book = attach_ring(info.prefix + "book", BOOK, capacity("book"))

    def __enter__(self) -> TerminalView:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.stop()

    def tell(self, line: str) -> None:
        """A line of news: shown below the tables as long as it is among the newest."""
        self._lines.append(line)

    def draw(self, run: RunCounters) -> None:
        now_ns = monotonic_ns()
        if now_ns >= self._next_ns:
            self._next_ns = now_ns + REFRESH_NS
            self._live.update(Group(*self.parts(run)), refresh=True)

    def parts(self, run: RunCounters) -> list[Any]:
        """What is drawn: title, money, stages, latencies, legend, news."""
        config = self._info.config
        figures = report.summary(run, config)
        stages = report.stage_table(run, config)
        trading = stages["execution"]["counts"].get("trading", 0) if "execution" in stages else 0
        return [
            Text(self._title(run), style="bold", no_wrap=True),
            *(_money(standing) for standing in standings(run, config, self._trades, self._book)),
            _totals(figures, trading),
            _stages(stages),
            _latencies(figures["latency_us"]),
            Text(LEGEND, style="dim"),
            *(Text(line, style="yellow") for line in self._lines[-NEWS:]),
        ]

    def _title(self, run: RunCounters) -> str:
        config = self._info.config
        dll = "simulated DLL" if self._info.simulated else Path(self._info.dll_path).name
        source = "" if not self._info.simulated else (", recorded tape" if config.exchange.tape else ", generated market")
        speed = f" x {config.exchange.speed:g}" if self._info.simulated and config.exchange.speed != 1 else ""
        return f"{Path(self._info.folder).name}   mode {config.mode} ({dll}{source})   market {market_time(run, config)}{speed}"


def _money(standing: Standing) -> Text:
    held = "position unknown"
    if standing.quantity is not None:
        held = f"position {standing.quantity:+d}" if standing.quantity else "flat"
    entry = "" if standing.average_price is None else f" @ {standing.average_price:,.2f}"
    profit = "" if standing.open_profit is None else f"   open {standing.open_profit:+,.2f}"
    prices = f"   last {_price(standing.last)}   bid {_price(standing.bid)}   ask {_price(standing.ask)}"
    style = "" if not standing.open_profit else "green" if standing.open_profit > 0 else "red"
    return Text(f"{standing.symbol:10} {held}{entry}{profit}", style=style).append(prices, style="default")


def _price(value: float | None) -> str:
    return "none" if value is None else f"{value:,.2f}"


def _totals(figures: dict[str, Any], trading: int) -> Text:
    """trading: index into TRADING, as execution's counter has it."""
    profit = "unknown" if figures["profit"] is None else f"{figures['profit']:+,.2f}"
    gaps = figures["feed_gap_events"]
    text = Text(
        f"realised after fees {profit}   lost {figures['lost']}   gaps {'unknown' if gaps is None else gaps}"
        f"   restarts {figures['restarts']}"
    )
    if figures["lost"]:
        text.stylize("bold red")
    return Text(TRADING[trading], style="bold red") + text


def _stages(rows: dict[str, dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("stage", no_wrap=True, min_width=12)
    table.add_column("state", no_wrap=True, min_width=8)
    table.add_column("pid", no_wrap=True, min_width=7, justify="right")
    table.add_column("restarts", no_wrap=True, min_width=8, justify="right")
    table.add_column("counts", no_wrap=True, overflow="ellipsis")
    for name, row in rows.items():
        state = Text(row["state"], style=STATE_STYLES.get(row["state"], ""))
        table.add_row(name, state, str(row["pid"]), str(row["restarts"]), counts_of(name, row["counts"]))
    return table


def counts_of(stage: str, counts: dict[str, int]) -> str:
    """Of all that a stage counts, what a person looks for first."""
    shown = (f"{key} {counts[key]:,}" for key in SHOWN.get(stage, AGENT) if key in counts)
    return "  ".join(shown) + _denials(counts)


def print_once(info: RunInfo, run: RunCounters) -> None:
    """The view as it stands now. Into a file or a pipe whole lines go, as wide as they are."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPE_COLUMNS)
    for part in TerminalView(info).parts(run):
        console.print(part)


def _denials(counts: dict[str, int]) -> str:
    """How many refusals of the risk gate there were, and of which checks the most."""
    reasons = {key.removeprefix("denied_"): value for key, value in counts.items() if key.startswith("denied_") and value}
    if not reasons:
        return ""
    most = sorted(reasons, key=lambda name: -reasons[name])[:3]
    return f"  denied {sum(reasons.values()):,} ({', '.join(f'{name} {reasons[name]:,}' for name in most)})"


def _latencies(rows: dict[str, dict[str, Any] | None]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("latency", "samples", "p50", "p99", "p99.9"):
        table.add_column(heading, justify="left" if heading == "latency" else "right", no_wrap=True)
    for hop, row in rows.items():
        if row is not None:
            table.add_row(hop, f"{row['samples']:,}", *(_duration(row[key]) for key in ("p50", "p99", "p99.9")))
    return table


def _duration(us: float) -> str:
    return f"{us / 1000:,.1f} ms" if us >= 1000 else f"{us:,.1f} us"
