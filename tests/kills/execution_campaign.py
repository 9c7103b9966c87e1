"""The crash campaign of execution: it trades all the time, and dies by SIGKILL at random and at named instants.

    python -m tests.kills.execution_campaign --kills 300 [--gateway process] [--faults] [--target resting]
        [--shared] [--seed N] [--write]

What must hold after each recovery and at the end is judged from the exchange's own record: see `judgement`.
`--faults`: in most lives the exchange also misleads us about orders, in one of the ways of `FAULTS`. `--target
resting`: targets rest at the exchange beside their stops. `--gateway process`: the order session lives in a process of its
own, and at each death one of the two dies: the gateway at the broker's instants, execution at those of the journal, either
at random. `--shared`: ingest stands in execution's process, in the same session, and dies too. `--write` puts the table
into docs/robustness.md.
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
from typing import Any, Literal

from msgspec.structs import replace

from config.load import load
from config.schema import Config
from exchange.faults.box import put_fault
from execution.contracts import contracts_of
from execution.events import TARGET
from execution.journal import read_ledger, read_records
from execution.ledger import Ledger
from execution.recovery import restore
from replay.orders import verify_orders
from tests.kills import mortal
from tests.kills.document import has_section, write_section
from tests.kills.judgement import Exposure, exposure, intents_by_epoch, sent_twice
from tests.kills.mortal import INSTANTS, OF_APART, OF_TARGETS, RANDOM, Call, Death, Died, read_diary, write_plan
from tests.kills.small_world import SmallWorld
from tests.kills.trading import WITHOUT_RECORDER, trading_config, under_a_strict_licence

MS = 1_000_000
SLACK_NS = 1_000_000_000  # two listings a second apart; a busy machine
AGREE_S = 20.0  # bound of a recovery: entries are open again and positions equal
REACH_S = 6.0  # an instant that does not come is given up, and the kill is a random one
EARLY = 0.25  # share of the lives that may be ended before their recovery is over, if no named instant does it
FAULTS: tuple[dict[str, Any], ...] = (
    {"name": "slow_acknowledgement", "delay_ms": 400.0, "for_s": 3.0},
    {"name": "reject", "count": 3},
    {"name": "duplicate_orders", "count": 40, "times": 3},
    {"name": "late_orders", "count": 40, "delay_ms": 400.0},
    {"name": "out_of_order_orders", "count": 40},
    {"name": "details_failing", "count": 6},
    {"name": "details_failing", "count": 6, "code": "NL_NOT_FOUND"},
)
FAULT_SHARE = 0.8  # of the lives
RESTING_TICKS = 1  # a resting target so near that it trades often
FAULT_SLACK_NS = 2_000_000_000  # answers that come late


@dataclass
class Outcome:
    """What was found. `problems` is empty when every promise held."""

    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    instants: tuple[str, ...] = INSTANTS
    orders: int = 0
    contracts: int = 0
    ahead: int = 0  # entries that went the short way
    intents: int = 0
    never_sent: int = 0
    targets: int = 0  # orders that were to rest
    targets_traded: int = 0
    turned: int = 0  # brackets whose legs both traded beyond what was held, and which closed that again
    found_again: int = 0
    twice: int = 0
    unknown: int = 0
    longest_recovery_ns: int = 0
    exposure: Exposure = field(default_factory=lambda: Exposure(0, 0))
    bound_ns: int = 0
    recomputed: int = 0
    seconds: float = 0.0


def campaign_config(
    folder: Path, target: Literal["local", "resting"] = "local", apart: bool = False, shared: bool = False
) -> Config:
    path = trading_config(folder, shift=4, more=WITHOUT_RECORDER, apart=apart)
    config = load(under_a_strict_licence(path, "shared") if shared else path)
    ticks = RESTING_TICKS if target == "resting" else config.execution.target_ticks
    return replace(config, execution=replace(config.execution, target=target, target_ticks=ticks))


def instants_of(config: Config) -> tuple[str, ...]:
    """Those that can come; a gateway apart does not know which of its limit orders is a target."""
    if config.execution.gateway == "process":
        return (*INSTANTS, *OF_APART)
    return (*INSTANTS, *OF_TARGETS) if config.execution.target == "resting" else INSTANTS


def bound_ns(config: Config) -> int:
    """How long a position may be unprotected in one life: the configured bound, after a stop or an exit whose fate died with
    the process is settled."""
    return (config.execution.settle_ms + config.execution.unprotected_ms) * MS + SLACK_NS


def plan(seed: random.Random, kills: int, instants: tuple[str, ...] = INSTANTS) -> list[Death]:
    """Each instant in its turn, in a new order each round."""
    deaths: list[Death] = []
    while len(deaths) < kills:
        for instant in seed.sample(instants, len(instants)):
            if not deaths and instant in (mortal.LOGGED_IN, mortal.LISTING):
                continue  # the first start must come to its end, or there is no run
            delay = seed.choice((0, 200, 5_000, 40_000))
            if instant == mortal.INSIDE:
                delay = seed.randrange(0, 400)
            skip = 0 if instant in (mortal.LOGGED_IN, mortal.LISTING) else seed.randrange(0, 3)
            deaths.append(Death(instant, skip, delay))
    return deaths[:kills]


class ExecutionCampaign:
    """One world, and one death of execution after the other."""

    def __init__(self, config: Config, folder: Path, seed: int, faults: bool = False) -> None:
        self.config = config
        self.folder = folder
        self.seed = random.Random(seed)
        self.faults = faults
        self.apart = config.execution.gateway == "process"
        self.outcome = Outcome(instants=instants_of(config))

    def run(self, kills: int) -> Outcome:
        began = time.monotonic()
        deaths = plan(self.seed, kills, instants_of(self.config))
        if self.apart:
            write_plan(self.folder, deaths)
        SmallWorld.sentence(deaths[0])
        with SmallWorld(self.config, self.folder, self.seed.randrange(1 << 30)) as world:
            self.world = world
            for number, death in enumerate(deaths):
                world.sentence(
                    deaths[number + 1] if number + 1 < kills else None
                )  # incarnation `number` has its own already
                if not self._live(number, death):
                    break
                self._bury(number, death)
            self.finish()
        self.outcome.seconds = time.monotonic() - began
        return self.outcome

    # --- living and dying

    def _live(self, epoch: int, death: Death) -> bool:
        """See an incarnation from its start to its death, whenever that comes; False when it does not recover."""
        world, began_ns = self.world, time.perf_counter_ns()

        def gone() -> bool:
            return world.epoch > epoch

        if not world.until(lambda: world.running or gone(), AGREE_S):
            self.outcome.problems.append(f"incarnation {epoch} does not start: {world.told[-3:]}")
            return False
        if not gone():
            world.note_life()
        if self.seed.random() >= EARLY:
            if not world.until(lambda: world.agrees() or gone(), AGREE_S):
                self.outcome.problems.append(
                    f"incarnation {epoch}: entries_closed {world.counter('entries_closed')}, position"
                    f" {world.counter('position_0')}, at the exchange {world.spy.position}, {AGREE_S} s after its start"
                )
                return False
            if not gone():
                took_ns = time.perf_counter_ns() - began_ns
                self.outcome.longest_recovery_ns = max(self.outcome.longest_recovery_ns, took_ns)
        if self.faults and self.seed.random() < FAULT_SHARE and not gone():
            fault = self.seed.choice(FAULTS)
            self.outcome.faults[fault["name"]] += 1
            left = put_fault(self.folder, fault)
            # a death may hold the exchange still before it has looked: it takes the fault when it goes on
            if not world.until(lambda: not left.exists() or gone(), AGREE_S):
                self.outcome.problems.append(f"incarnation {epoch}: the exchange has not taken the fault {fault}")
                return False
        patience_s = self.seed.uniform(0.0, 2.5) if death.instant == RANDOM else REACH_S
        if not world.until(gone, patience_s):
            world.kill(self.seed.choice(world.mortals) if self.apart else "execution")
        return world.until(gone, AGREE_S)

    def _bury(self, epoch: int, death: Death) -> None:
        """Note what it died of, and let an exchange that it held still go on."""
        world = self.world
        died = [entry for entry in read_diary(self.folder) if isinstance(entry, Died) and entry.epoch == epoch]
        self.outcome.kills[died[0].instant if died else RANDOM] += 1
        world.note_death(died[0].ns if died else time.perf_counter_ns())
        if death.instant == mortal.HELD and died:
            world.until(lambda: False, self.seed.choice((0.0, 0.3, 1.5)))
            world.let_exchange_go_on()

    # --- judging

    def finish(self) -> None:
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
        if self.apart:  # what a dead execution had put into the ring may be sent after its death
            intents = {0: [intent for epoch in sorted(intents) for intent in intents[epoch]]}
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
        outcome.ahead = world.counter("orders_ahead")
        self._check(outcome.ahead > 0, "no entry went the short way")
        outcome.intents = len(ledger.orders)
        outcome.never_sent = sum(str(order.state) == "not sent" for order in ledger.orders.values())
        targets = [order for order in ledger.orders.values() if order.intent.role == TARGET]
        outcome.targets, outcome.targets_traded = len(targets), sum(order.traded_quantity > 0 for order in targets)
        outcome.turned = sum(
            any(ledger.orders[number].intent.side == bracket.side for number in bracket.exits)
            for bracket in ledger.brackets.values()
        )
        self._check(
            bool(targets) == (self.config.execution.target == "resting"), "targets do not wait where they are to"
        )
        outcome.found_again = sum(type(record).__name__ == "Matched" for record in read_ledger(journal))
        outcome.bound_ns = bound_ns(self.config) + (FAULT_SLACK_NS if self.faults else 0)
        outcome.exposure = exposure(changes, [(born, dead) for born, dead in world.lives], end_ns)
        self._check(
            outcome.exposure.alive_ns <= outcome.bound_ns,
            f"a position was unprotected for {outcome.exposure.alive_ns / 1e6:.0f} ms of one life",
        )
        verified = verify_orders(self.folder)
        self._check(not verified.difference, f"the journal does not recompute: {verified.difference}")
        outcome.recomputed = verified.inputs + sum(verified.outputs.values())
        self._check(outcome.orders > 0 and outcome.contracts > 0, "there was no trade to protect")

    def _check(self, held: bool, problem: str) -> None:
        if not held:
            self.outcome.problems.append(problem)


def as_markdown(outcome: Outcome) -> list[str]:
    """The table for the documentation."""
    lines = ["| killed | times |", "|---|---|"]
    lines += [f"| {instant} | {outcome.kills[instant]} |" for instant in outcome.instants]
    for fault, count in sorted(outcome.faults.items()):
        lines.append(f"| fault: {fault.replace('_', ' ')} | {count} |")
    legs = (
        {
            "targets that were to rest / that traded": f"{outcome.targets} / {outcome.targets_traded}",
            "positions turned around by both legs, and closed": outcome.turned,
        }
        if outcome.targets
        else {}
    )
    facts = {
        "kills": sum(outcome.kills.values()),
        "orders at the exchange / contracts traded": f"{outcome.orders} / {outcome.contracts}",
        "entries that went the short way, before the machine had said them": outcome.ahead,
        "intents / of them never sent": f"{outcome.intents} / {outcome.never_sent}",
        **legs,
        "intents sent twice": outcome.twice,
        "orders at the exchange unknown to us": outcome.unknown,
        "longest time unprotected within one life": f"{outcome.exposure.alive_ns / 1e6:.0f} ms (bound"
        f" {outcome.bound_ns / 1e6:.0f} ms)",
        "longest time unprotected, death and restart included": f"{outcome.exposure.whole_ns / 1e6:.0f} ms",
        "longest recovery, from the restart to open entries": f"{outcome.longest_recovery_ns / 1e6:.0f} ms",
        "records of the journal recomputed, bit for bit": outcome.recomputed,
        "problems": "; ".join(outcome.problems) or "none",
    }
    return [*lines, "", "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts.items())]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--folder", help="keep the run here")
    parser.add_argument("--gateway", choices=("inproc", "process"), default="inproc")
    parser.add_argument("--faults", action="store_true", help="the exchange misleads us about orders")
    parser.add_argument("--target", choices=("local", "resting"), default="local", help="where targets wait")
    parser.add_argument("--shared", action="store_true", help="market data and orders in one session")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    section = "gateway" if options.gateway == "process" else "execution"
    section += "-faults" * options.faults + "-resting" * (options.target == "resting") + "-shared" * options.shared
    if options.write and not has_section(section):
        parser.error(f"docs/robustness.md has no section {section}: make one, or leave --write out")
    with tempfile.TemporaryDirectory(prefix="qt-crash-", ignore_cleanup_errors=True) as scratch:
        folder = Path(options.folder or scratch)
        folder.mkdir(parents=True, exist_ok=True)
        run = folder / "runs" / "run"
        run.mkdir(parents=True)
        config = campaign_config(folder, options.target, options.gateway == "process", options.shared)
        outcome = ExecutionCampaign(config, run, options.seed, options.faults).run(options.kills)
    lines = as_markdown(outcome)
    sys.stdout.write("\n".join([*lines, f"{outcome.seconds:.0f} s", ""]))
    if options.write:
        write_section(section, lines)
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
