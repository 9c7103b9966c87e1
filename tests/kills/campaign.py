"""The kill campaign: SIGKILL every stage, at random and at named instants, while the whole pipeline trades.

    python -m tests.kills.campaign --kills 50 [--tape DIR --config FILE --speed N] [--seed N] [--write]

The agents are loud (see `child`): they agree on a side that turns, so that orders and fills come all the time.

The exchange is not killed: it stands for the world outside, and a world that forgets its orders is another test.

Instants that last nanoseconds are made exact instead of hoped for: the supervisor is held still (SIGSTOP), the stage is
killed, its ring is put into the very state that a death at that instruction leaves, and the supervisor goes on.
    odd        the next slot is marked odd, its payload half written
    cursor     the newest record is whole, its cursor not moved yet
    checkpoint right after vectors were published and before the next checkpoint
    order      right after an order was sent
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from replay.orders import verify_orders
from runtime.current import request_stop
from runtime.topology import BY_NAME, STAGES
from shm import counters as words
from shm.atomics import read_word, write_word
from shm.layouts import KIND_GAP, KIND_TRADE, OFFSET_CURSOR, OFFSET_SLOTS, RINGS
from shm.ring import attach_ring
from tape.reader import Tape
from tests.kills.document import write_section
from tests.kills.trading import CHECKPOINTS, trading_config
from tests.processes import PROJECT, eventually
from tests.spine.rig import PATIENCE_S, Up, VectorWatch

AT_ONCE = 5
LOUD = PROJECT / "tests" / "kills" / "loud_up.py"
VICTIMS = tuple(spec.name for spec in STAGES if spec.name not in ("exchange", "gateway"))  # it runs without the latter
WRITERS = {"ingest": ("trades", "book"), "features": ("features",)}
INSTANTS = {"ingest": ("random", "odd", "cursor"), "features": ("random", "odd", "cursor", "checkpoint"),
            "execution": ("random", "order")}  # fmt: skip


@dataclass
class Outcome:
    """What the campaign found. `problems` is empty when every promise held."""

    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)
    vectors: int = 0
    trades_missing: int = 0
    refilled: int = 0
    gap_records: int = 0
    recomputed: int = 0


class Campaign:
    """One run of the pipeline and the kills within it."""

    def __init__(self, folder: Path, seed: int, arguments: list[str]) -> None:
        self.folder = folder
        self.seed = random.Random(seed)
        self.arguments = arguments
        self.outcome = Outcome()

    def run(self, kills_each: int) -> Outcome:
        rounds = self._plan(kills_each)
        with Up(self.folder, *self.arguments, program=LOUD) as up:
            self.up = up
            self.info, self.counters = up.attach()
            self.watch = VectorWatch(self.info)
            self.watch.until(100)
            self.supervisor = self.info.supervisor_pid
            for victims in rounds:
                if up.process.poll() is not None:
                    self.outcome.problems.append(f"the run ended before the kills were over: {up.errors()[-300:]}")
                    break
                questions = [self._kill(victim) for victim in victims]
                eventually(lambda asked=questions: self._all_back(asked), f"{victims} are back", PATIENCE_S)
                self._pause(self.seed.uniform(0.05, 0.5))
            self._pause(1.0)
            if up.process.poll() is None:
                request_stop(self.folder / "runs")
            code = up.finish()
            self.watch.look()
        self.outcome.result = up.result
        if code != 0:
            self.outcome.problems.append(f"the run exited with {code}: {up.errors()[-300:]}")
        else:
            self._judge()
        return self.outcome

    # --- killing

    def _block(self, stage: str) -> Any:
        return self.counters.stage(BY_NAME[stage].number)

    def _plan(self, kills_each: int) -> list[tuple[str, ...]]:
        """Rounds of AT_ONCE different victims that die together, each victim `kills_each` times."""
        rounds = []
        for _ in range(kills_each):
            order = self.seed.sample(VICTIMS, len(VICTIMS))
            rounds += [tuple(order[start : start + AT_ONCE]) for start in range(0, len(order), AT_ONCE)]
        return rounds

    def _kill(self, victim: str) -> Callable[[], bool]:
        """Kill one stage; returns a question: is it back?"""
        instant = self.seed.choice(INSTANTS.get(victim, ("random",)))
        block = self._block(victim)
        if int(block.words[words.STAGE_STATE]) != words.RUNNING:
            eventually(lambda: int(block.words[words.STAGE_STATE]) == words.RUNNING, f"{victim} runs", PATIENCE_S)
        epoch, pid = int(block.words[words.STAGE_EPOCH]), int(block.words[words.STAGE_PID])
        if instant == "checkpoint":
            self._await_change(block, "checkpoints", 10.0)
        if instant == "order":
            self._await_change(block, "orders", 3.0)
        if instant in ("odd", "cursor"):
            self._kill_at_slot(victim, pid, instant)
        else:
            os.kill(pid, signal.SIGKILL)
        self.outcome.kills[victim, instant] += 1
        return lambda: (
            int(block.words[words.STAGE_EPOCH]) > epoch and int(block.words[words.STAGE_STATE]) == words.RUNNING
        )

    def _all_back(self, questions: list[Callable[[], bool]]) -> bool:
        return all(question() for question in questions) or self.up.process.poll() is not None

    def _await_change(self, block: Any, name: str, timeout_s: float) -> None:
        before, give_up = block.get(name), time.monotonic() + timeout_s
        while block.get(name) == before and time.monotonic() < give_up:
            self.watch.look()

    def _kill_at_slot(self, victim: str, pid: int, instant: str) -> None:
        """Hold the supervisor, kill, leave the ring as a death at that instruction would, let it go on."""
        ring = self.seed.choice(WRITERS[victim])
        dtype = RINGS[ring][0]
        segment = attach_ring(self.info.prefix + ring, dtype, self.info.ring_capacity(ring))
        os.kill(self.supervisor, signal.SIGSTOP)
        try:
            os.kill(pid, signal.SIGKILL)
            _await_death(pid)
            cursor = int(read_word(segment.address + OFFSET_CURSOR))
            slot = segment.address + OFFSET_SLOTS + (cursor % segment.capacity) * dtype.itemsize
            if int(read_word(slot)) > 2 * cursor:
                pass  # it died inside this very slot by itself
            elif instant == "odd":
                write_word(slot, 2 * cursor + 1)
                start = slot - segment.address + 8
                segment.buffer[start : start + dtype.itemsize // 2] = 0xA5
            elif cursor > 0:
                write_word(segment.address + OFFSET_CURSOR, cursor - 1)
        finally:
            os.kill(self.supervisor, signal.SIGCONT)
        segment.close()

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.watch.look()
            time.sleep(0.005)

    # --- judging

    def _judge(self) -> None:
        outcome, result = self.outcome, self.outcome.result
        numbers = np.array(self.watch.numbers)
        outcome.vectors = len(numbers)
        self._check(result["lost"] == 0, f"lost {result['lost']}")
        self._check(self.watch.reader.lost == 0, "this watch was lapped")
        twice = len(numbers) - len(np.unique(numbers))
        self._check(twice == 0, f"{twice} vectors were published twice")
        self._check(bool((np.diff(numbers) > 0).all()), "vectors went back")
        self._check(result["position"] == result["exchange_position"], f"positions differ: {result['position']}")
        self._check(result["restarts"] == sum(outcome.kills.values()), f"{result['restarts']} restarts")
        orders, fills = (int(result["stages"]["exchange"].get(name, 0)) for name in ("orders", "fills"))
        self._check(orders > 0 and fills > 0, f"{orders} orders and {fills} fills: nothing was at stake")
        verified = verify_orders(Path(result["run"]))
        self._check(not verified.difference, f"the journal does not recompute: {verified.difference}")
        outcome.recomputed = verified.inputs + sum(verified.outputs.values())
        self._judge_tape(numbers)

    def _judge_tape(self, vectors: Any) -> None:
        """The recording against what the exchange says that it played and what ingest says that it got."""
        outcome, stages = self.outcome, self.outcome.result["stages"]
        tape = Tape.open(Path(self.outcome.result["run"]) / "tape")
        trades, book = tape.trades(), tape.book()
        real = trades[trades["kind"] == KIND_TRADE]
        gaps = trades[trades["kind"] == KIND_GAP]
        events = np.sort(np.concatenate([trades["ingest_seq"], book["ingest_seq"]]))
        self._check(bool((np.diff(events) == 1).all()), "the tape has holes or doubles in ingest_seq")
        expected = np.sort(np.concatenate([real["ingest_seq"], book["ingest_seq"]]))
        self._check(np.array_equal(np.sort(vectors), expected), "vectors are not one for each recorded event")
        outcome.refilled = int(stages["ingest"].get("refilled", 0))
        outcome.gap_records = len(gaps)
        played = int(stages["exchange"]["trades"])
        outcome.trades_missing = played - len(real)
        self._check(len(np.unique(real["trade_number"])) == len(real), "a trade stands twice in the tape")
        self._check(outcome.trades_missing == 0, f"{outcome.trades_missing} trades were not refilled")
        ingest_kills = sum(count for (stage, _), count in outcome.kills.items() if stage == "ingest")
        self._check(len(gaps) == ingest_kills, f"{len(gaps)} gap records for {ingest_kills} kills of ingest")
        # what is missing for good (books) is exactly what the exchange played and the tape does not hold
        recorded = len(real) - outcome.refilled + len(book)
        gap = self.outcome.result["feed_gap_events"]
        unseen = int(stages["exchange"]["market_events"]) - recorded
        self._check(unseen >= gap >= 0, f"the feed gap is {gap}, the tape misses {unseen}")

    def _check(self, held: bool, problem: str) -> None:
        if not held:
            self.outcome.problems.append(problem)


def _await_death(pid: int) -> None:
    """Until the killed process executes no more (it may stay a zombie while its parent is held)."""
    for _ in range(2_000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return
        if state in ("Z", "X"):
            return
        time.sleep(0.001)
    raise TimeoutError(f"process {pid} did not die")


def as_markdown(outcome: Outcome) -> list[str]:
    """The table for the documentation."""
    stages = outcome.result.get("stages", {})
    lines = ["| stage | kills | at |", "|---|---|---|"]
    for victim in VICTIMS:
        at = {instant: count for (stage, instant), count in sorted(outcome.kills.items()) if stage == victim}
        lines.append(f"| {victim} | {sum(at.values())} | {', '.join(f'{k} {v}' for k, v in at.items())} |")
    facts = {
        "market events played": stages.get("exchange", {}).get("market_events"),
        "vectors published, each once": outcome.vectors,
        "lost": outcome.result.get("lost"),
        "feed gap (events ingest never got)": outcome.result.get("feed_gap_events"),
        "gap records": outcome.gap_records,
        "trades refilled": outcome.refilled,
        "trades missing for good": outcome.trades_missing,
        "orders / fills": f"{stages.get('exchange', {}).get('orders')} / {stages.get('exchange', {}).get('fills')}",
        "records of the journal recomputed, bit for bit": outcome.recomputed,
        "position / at the exchange": f"{outcome.result.get('position')} / {outcome.result.get('exchange_position')}",
        "problems": "; ".join(outcome.problems) or "none",
    }
    return [*lines, "", "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts.items())]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=5, help="of each stage")
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--tape")
    parser.add_argument("--config")
    parser.add_argument("--speed", default="1")
    parser.add_argument("--write", action="store_true", help="put the table into docs/robustness.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="qt-kills-", ignore_cleanup_errors=True) as folder:
        arguments = arguments_of(Path(folder), options.tape, options.config, options.speed)
        outcome = Campaign(Path(folder), options.seed, arguments).run(options.kills)
    lines = as_markdown(outcome)
    sys.stdout.write("\n".join(lines) + "\n")
    if options.write:
        write_section("stages", lines)
    return 1 if outcome.problems else 0


def arguments_of(folder: Path, tape: str | None, config: str | None, speed: str) -> list[str]:
    """What `up` is called with: a generated market, or a tape with the configuration that fits it."""
    if tape is None or config is None:
        return ["--config", str(trading_config(folder, trades_per_s=30.0, history_bars=20, more=CHECKPOINTS))]
    path = folder / "tape.toml"
    patient = "[runtime]\nhung_after_s = 30.0\nrestart_limit = 100000\n"
    path.write_text(Path(config).read_text("utf-8") + "\n" + patient, encoding="utf-8")
    return ["--config", str(path), "--tape", tape, "--speed", speed]


if __name__ == "__main__":
    sys.exit(main())
