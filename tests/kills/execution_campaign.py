"""The crash campaign of execution: it trades all the time, and dies by SIGKILL at random and at named instants.

    python -m tests.kills.execution_campaign --kills 300 [--seed N] [--write]

What must hold after each recovery and at the end is judged from the exchange's own record: see `judgement`.
`--write` puts the table into docs/robustness.md.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path


from config.load import load
from config.schema import Config
from execution.contracts import contracts_of
from execution.journal import read_ledger, read_records
from execution.ledger import Ledger
from execution.recovery import restore
from tests.kills import mortal
from tests.kills.document import write_section
from tests.kills.judgement import Exposure, exposure, intents_by_epoch, sent_twice
from tests.kills.mortal import INSTANTS, RANDOM, Call, Death, Died, read_diary
from tests.kills.small_world import SmallWorld
from tests.spine.rig import write_config

UNPROTECTED_BOUND_NS = 2_000_000_000
AGREE_S = 20.0  # bound of a recovery: entries are open again and positions equal
REACH_S = 6.0  # an instant that does not come is given up, and the kill is a random one
EARLY = 0.25  # share of the deaths that do not wait until the recovery before them is over
MORE = """
[agents]
signal_every_ms = 50
[consensus]
decide_on = "signal"
threshold = 0.02
minimum_sources = 1
[execution]
entry_ttl_ms = 300
entry_offset_ticks = 1
confirm_ms = 500
max_quantity = 3
stop_ticks = 3
target_ticks = 3
[risk]
max_position = 3
max_trades_per_day = 100000
max_daily_loss = 1e9
max_orders_per_s = 100
max_orders_per_min = 6000
[recorder]
enabled = false
"""


@dataclass
class Outcome:
    """What was found. `problems` is empty when every promise held."""

    kills: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    orders: int = 0
    contracts: int = 0
    intents: int = 0
    never_sent: int = 0
    found_again: int = 0
    twice: int = 0
    unknown: int = 0
    longest_recovery_ns: int = 0
    exposure: Exposure = Exposure(0, 0)
    seconds: float = 0.0


def campaign_config(folder: Path, more: str = "") -> Config:
    path = write_config(folder, trades_per_s=60.0, shift=4, history_bars=0, more=MORE + more)
    text = path.read_text("utf-8").replace("hung_after_s = 30.0", "hung_after_s = 30.0\nrestart_limit = 100000")
    path.write_text(text.replace("restart_limit", "restart_window_s = 0.001\nrestart_limit"), encoding="utf-8")
    return load(path)


def plan(seed: random.Random, kills: int) -> list[Death]:
    """Each instant in its turn, in a new order each round."""
    deaths: list[Death] = []
    while len(deaths) < kills:
        for instant in seed.sample(INSTANTS, len(INSTANTS)):
            delay = seed.choice((0, 200, 5_000, 40_000))
            if instant == mortal.INSIDE:
                delay = seed.randrange(0, 400)
            skip = 0 if instant in (mortal.LOGGED_IN, mortal.LISTING) else seed.randrange(0, 3)
            deaths.append(Death(instant, skip, delay))
    return deaths[:kills]


class ExecutionCampaign:
    """One world, and one death of execution after the other."""

    def __init__(self, config: Config, folder: Path, seed: int) -> None:
        self.config = config
        self.folder = folder
        self.seed = random.Random(seed)
        self.outcome = Outcome()

    def run(self, kills: int) -> Outcome:
        began = time.monotonic()
        deaths = plan(self.seed, kills)
        SmallWorld.sentence(deaths[0] if deaths and deaths[0].instant not in (mortal.LOGGED_IN, mortal.LISTING) else None)
        with SmallWorld(self.config, self.folder, self.seed.randrange(1 << 30)) as world:
            self.world = world
            for number, death in enumerate(deaths):
                following = deaths[number + 1] if number + 1 < kills else None
                if not self._die(death, following):
                    break
            self._finish()
        self.outcome.seconds = time.monotonic() - began
        return self.outcome

    # --- dying

    def _die(self, death: Death, following: Death | None) -> bool:
        """See this incarnation to its end and the next one alive; False when that does not happen."""
        world, epoch = self.world, self.world.epoch
        world.sentence(following)
        if death.instant == RANDOM:
            world.until(lambda: world.epoch > epoch, self.seed.uniform(0.0, 2.5))
        else:
            world.until(lambda: world.epoch > epoch, REACH_S)
        if world.epoch == epoch:
            self.outcome.kills[RANDOM] += 1
            world.kill()
        elif death.instant != RANDOM:
            self.outcome.kills[death.instant] += 1
        world.until(lambda: world.epoch > epoch, 10.0)
        died = [entry for entry in read_diary(self.folder) if isinstance(entry, Died) and entry.epoch == epoch]
        world.note_death(died[0].ns if died else time.perf_counter_ns())
        if death.instant == mortal.HELD:
            world.until(lambda: False, self.seed.choice((0.0, 0.3, 1.5)))
            world.let_exchange_go_on()
        return self._recover(following)

    def _recover(self, following: Death | None) -> bool:
        """Wait until execution is back; mostly also until its recovery is over."""
        world, epoch, began_ns = self.world, self.world.epoch, time.perf_counter_ns()
        if following is not None and following.instant in (mortal.LOGGED_IN, mortal.LISTING):
            return True  # it dies before it runs
        if not world.until(lambda: world.running or world.epoch > epoch, AGREE_S):
            self.outcome.problems.append(f"incarnation {epoch} does not start: {world.told[-3:]}")
            return False
        if world.epoch > epoch:
            return True
        world.note_life()
        if self.seed.random() < EARLY and following is not None:
            return True
        if not world.until(lambda: world.agrees() or world.epoch > epoch, AGREE_S):
            self.outcome.problems.append(
                f"incarnation {epoch}: entries_closed {world.counter('entries_closed')}, position"
                f" {world.counter('position_0')}, at the exchange {world.spy.position}, {AGREE_S} s after the restart"
            )
            return False
        if world.epoch == epoch:
            took_ns = time.perf_counter_ns() - began_ns
            self.outcome.longest_recovery_ns = max(self.outcome.longest_recovery_ns, took_ns)
        return True

    # --- judging

    def _finish(self) -> None:
        """A last life without a death: it must come to agree; then stop as a person stops, and compare everything."""
        world, outcome = self.world, self.outcome
        world.sentence(None)
        world.let_exchange_go_on()
        if not world.until(world.agrees, AGREE_S):
            outcome.problems.append(f"no agreement at the end: {world.told[-3:]}")
        world.sources.pause.set()
        world.until(lambda: False, 1.0)
        world.launcher.stop()
        end_ns = time.perf_counter_ns()
        world.note_death(end_ns)
        if world.spy.problem:
            outcome.problems.append(world.spy.problem)
        self._judge(end_ns)

    def _judge(self, end_ns: int) -> None:
        world, outcome = self.world, self.outcome
        changes = list(world.spy.changes)
        journal = self.folder / "execution" / "orders.journal"
        ledger = Ledger(contracts_of(self.config))
        restore(ledger, read_ledger(journal))
        intents = intents_by_epoch(read_records(journal))
        calls = [entry for entry in read_diary(self.folder) if isinstance(entry, Call)]
        twice = sent_twice(intents, calls, changes)
        known = [order.cl_order_id for order in ledger.orders.values() if order.cl_order_id]
        unknown = set(world.spy.orders) - set(known)
        outcome.twice = len(twice) + len(known) - len(set(known))
        outcome.unknown = len(unknown)
        outcome.problems += twice
        self._check(len(known) == len(set(known)), "one order of the exchange stands for two of ours")
        self._check(not unknown, f"orders at the exchange that we do not know: {sorted(unknown)[:5]}")
        held = ledger.positions[0].quantity
        self._check(held == world.spy.position, f"we hold {held}, the exchange says {world.spy.position}")
        outcome.orders, outcome.contracts = len(world.spy.orders), world.spy.traded
        outcome.intents = len(ledger.orders)
        outcome.never_sent = sum(str(order.state) == "not sent" for order in ledger.orders.values())
        outcome.found_again = sum(type(record).__name__ == "Matched" for record in read_ledger(journal))
        outcome.exposure = exposure(changes, [(born, dead) for born, dead in world.lives], end_ns)
        self._check(
            outcome.exposure.alive_ns <= UNPROTECTED_BOUND_NS,
            f"a position was unprotected for {outcome.exposure.alive_ns / 1e6:.0f} ms of one life",
        )
        self._check(outcome.orders > 0 and outcome.contracts > 0, "there was no trade to protect")

    def _check(self, held: bool, problem: str) -> None:
        if not held:
            self.outcome.problems.append(problem)


def as_markdown(outcome: Outcome) -> list[str]:
    """The table for the documentation."""
    lines = ["| killed | times |", "|---|---|"]
    lines += [f"| {instant} | {outcome.kills[instant]} |" for instant in INSTANTS]
    facts = {
        "kills": sum(outcome.kills.values()),
        "orders at the exchange / contracts traded": f"{outcome.orders} / {outcome.contracts}",
        "intents / of them never sent": f"{outcome.intents} / {outcome.never_sent}",
        "intents sent twice": outcome.twice,
        "orders at the exchange unknown to us": outcome.unknown,
        "longest time unprotected within one life": f"{outcome.exposure.alive_ns / 1e6:.0f} ms (bound"
        f" {UNPROTECTED_BOUND_NS / 1e6:.0f} ms)",
        "longest time unprotected, death and restart included": f"{outcome.exposure.whole_ns / 1e6:.0f} ms",
        "longest recovery, from the restart to open entries": f"{outcome.longest_recovery_ns / 1e6:.0f} ms",
        "problems": "; ".join(outcome.problems) or "none",
    }
    return [*lines, "", "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts.items())]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--folder", help="keep the run here")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="qt-crash-", ignore_cleanup_errors=True) as scratch:
        folder = Path(options.folder or scratch)
        folder.mkdir(parents=True, exist_ok=True)
        run = folder / "runs" / "run"
        run.mkdir(parents=True)
        outcome = ExecutionCampaign(campaign_config(folder), run, options.seed).run(options.kills)
    lines = as_markdown(outcome)
    sys.stdout.write("\n".join([*lines, f"{outcome.seconds:.0f} s", ""]))
    if options.write:
        write_section("execution", lines)
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
