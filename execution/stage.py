"""The execution stage: signals and the market in, orders out, through one machine and one gateway.

It owns the gateway (or the link to it), the journal, the sockets and the counters; all deciding is `machine`'s.
Its order of work for each input: journal it, let the machine decide, journal what that brings about, hand the journal
to the operating system, and only then call the DLL. A journal that cannot be written stops entries at once, but nothing
that protects or leaves a position; once what is held is flat or protected, the stage refuses to go on.

At a normal stop it takes no more entries and cancels its working ones, waits shortly for the broker's answers, and
flattens nothing: a position stays, and so does its protective stop at the broker, which the last log lines and the
counters `position_<i>` and `stops_resting` say. The target, which is watched here, is not watched any more.

Modes: `paper` and `live` send (which account may go live is decided before this process starts); `dry-run` does
everything but send.
"""

from __future__ import annotations

import sys
from collections import deque
from contextlib import ExitStack

from bus.messages import TOPIC_SIGNAL, Signal
from bus.sockets import Heard
from consensus.weights import SOURCES, start_weights
from execution.bystanders import Bystanders
from execution.connect import connect
from execution.contracts import contracts_of
from execution.events import (
    STOP_WORD,
    Input,
    MarketSeen,
    Operator,
    Output,
    SignalSeen,
    Started,
    Tick,
    TradingChanged,
    UpstreamSeen,
)
from execution.fast_path.fast_path import Ahead, FastPath
from execution.gateway import Gateway, OrderSession
from execution.gateway_choice import Connect, open_gateway
from execution.journal import Journal
from execution.journal_keeper import JournalKeeper
from execution.ledger import Ledger
from execution.machine import DECIDING, Machine
from execution.market_watch import MarketWatch
from execution.meters import Meters
from execution.operator_box import OperatorBox
from execution.performer import Performer
from execution.rehearsal import Rehearsal
from execution.risk.gate import RiskGate
from execution.risk.states import Trading
from execution.sleeper import Sleeper
from runtime.context import StageContext
from runtime.stage import Refusal, Stage
from shm.ring import RingReader

UPSTREAM = ("ingest", "features")
MS = 1_000_000
UPSTREAM_EVERY_NS = 50 * MS
SHOW_EVERY_NS = 5 * MS
CLOSE_NS = 3_000_000_000  # longest wait for the broker's answers at a stop
CLOSE_POLL_MS = 5
# longest that a thread beside this one (journal, tables, callbacks, a guest) keeps the interpreter from it; Windows waits
# for it in whole milliseconds, and with less than one every waiter would spin
SWITCH_S = 0.001 if sys.platform == "win32" else 0.0001
LOOK_BACK = 4096  # records of each ring that a starting stage reads, so that it knows the market at once


class ExecutionStage(Stage):
    """One process: consensus, risk, brackets, gateway. `connect` opens the order session (tests bring their own)."""

    name = "execution"

    def __init__(self, connect: Connect = connect) -> None:
        self._connect = connect
        self._broker: OrderSession | None = None
        self._keeper: JournalKeeper | None = None
        self._sleeper: Sleeper | None = None
        self._machine: Machine | None = None
        self._fast_path: FastPath | None = None
        self._switch_s = 0.0

    def on_start(self, context: StageContext) -> None:
        """Recover from the journal, log in, and ask the broker. Entries stay closed until both sides agree."""
        self._context = context
        self._switch_s = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)
        config = context.config
        contracts = contracts_of(config)
        self._inputs: deque[Input] = deque()
        self._box = OperatorBox(context.run_folder)
        self._bystanders = Bystanders(contracts, context.counter_of)
        self._upstream_at_ns = 0
        self._upstream_problem: tuple[str, str] | None = None
        self._losses = 0
        self._market_seen = [-1] * len(contracts)
        self._deciding = DECIDING[config.consensus.decide_on]
        self._subscriber = context.subscriber((TOPIC_SIGNAL,), SOURCES)
        self._subscriber.received = self._signal_received
        publisher = context.publisher()
        self._sleeper = Sleeper(self._subscriber.sockets, context.bell.wait)
        self._watch = MarketWatch(
            _from_the_newest(context.reader("trades")), _from_the_newest(context.reader("book")), len(contracts)
        )

        self._keeper = JournalKeeper(context)
        ledger = Ledger(contracts)
        self._keeper.restore(ledger)
        if ledger.trading is not Trading.ACTIVE:
            context.log.warning(
                "trading is %s (%s): no entries until `supervisor.py resume`", ledger.trading, ledger.trading_reason
            )
        core, self._broker = open_gateway(context, self._connect)
        self._core: Gateway | None = core
        weights = start_weights(config.consensus)
        machine = Machine(config, ledger, RiskGate(config.risk), weights)
        self._rehearsal = Rehearsal(config, weights)
        self._rehearse_at_ns = self._show_at_ns = 0
        self._meters = Meters(context, machine, self._subscriber)
        self._performer = Performer(
            core, ledger, publisher, self._meters, context.log, context.clock, send=config.mode != "dry-run"
        )
        self._machine = machine
        doubted = ledger.doubts_fast_path and ledger.run == context.run_folder.name
        if config.execution.fast_path and self._deciding and config.mode != "dry-run" and not doubted:
            self._fast_path = FastPath(config, machine, self._watch.newest)
            self._fast_path.prepare()
        now_ns, market_ns = self._now()
        self._take(Started(now_ns, market_ns, context.epoch, config.mode, context.run_folder.name))

    def do_work(self) -> int:
        """One turn: what came in, then what is due. Never waits."""
        assert self._sleeper is not None
        self._sleeper.clear()
        done = self._take_signals() + self._take_orders()
        done += min(1, self._watch.refresh())
        self._look_upstream()
        self._show_market(urgent_only=not self._show_due())
        if self._context.clock.monotonic_ns() >= self._deadline_ns():
            self._show_market()
            self._take(Tick(*self._now()))
            done += 1
        done += self._take_orders()
        self._hand_over()
        self._meters.show(self._context.clock.monotonic_ns(), self._core.lost_details if self._core else 0)
        self._look_at_journal()
        if self._fast_path is not None and not done:
            self._fast_path.arm(*self._now())
        return done

    def wait(self, timeout_ns: int) -> None:
        """The one blocking wait: signals, and through the relay everything that rings our bell.

        The market wakes it while a bracket lives, whose target and stop are watched here, and where signals decide: then it
        has looked, and walked the way in play, when the signals about that event come. A decision by the timer looks anyway.
        """
        assert self._sleeper is not None and self._machine is not None
        self._watch.listen(bool(self._deciding) or bool(self._machine.ledger.live))
        self._rehearse()
        left_ns = min(timeout_ns, self._deadline_ns() - self._context.clock.monotonic_ns())
        if left_ns <= 0:
            return
        if self._context.waits != "block":
            self._context.wait(left_ns)
            return
        self._sleeper.sleep(-(-left_ns // 1_000_000))

    def _rehearse(self) -> None:
        """In an idle moment: keep the way of a decision warm."""
        every_ms = self._context.config.execution.rehearse_every_ms
        now_ns, market_ns = self._now()
        if every_ms and now_ns >= self._rehearse_at_ns and market_ns > 0:
            self._rehearse_at_ns = now_ns + every_ms * MS
            self._rehearsal.play(market_ns)

    def command(self, word: str) -> None:
        """A person's word (machine.WORDS): taken at once."""
        self._take(Operator(*self._now(), word))

    def on_close(self) -> None:
        """No entries any more, working ones cancelled; positions and their stops stay. See the module's text."""
        with ExitStack() as closing:  # each of them, whatever the others raise
            if self._keeper is not None:
                closing.callback(self._keeper.close)
            if self._broker is not None:
                closing.callback(self._broker.close)
            if self._sleeper is not None:
                closing.callback(self._sleeper.close)
            if self._switch_s:
                closing.callback(sys.setswitchinterval, self._switch_s)
            if self._machine is not None and self._broker is not None:
                self._stop_entries()

    @property
    def _journal(self) -> Journal | None:
        return None if self._keeper is None else self._keeper.journal

    # --- the journal

    def _hand_over(self, before_order: bool = False) -> None:
        """What was appended to the operating system. When that fails, no entry goes out, and `_look_at_journal` acts."""
        assert self._keeper is not None
        if failure := self._keeper.hand_over(before_order):
            self._performer.unjournaled = failure

    def _look_at_journal(self) -> None:
        """A failed one stops entries, and the run when nothing is left unprotected."""
        assert self._keeper is not None and self._machine is not None
        if self._keeper.look():
            self._upstream_at_ns = 0
            self._look_upstream()  # before the next signal is taken
        if not self._keeper.journal.failure:
            return
        self._performer.unjournaled = self._keeper.problem
        if self._keeper.newly_failed():
            self.command(STOP_WORD)
        if self._machine.safe_to_leave():
            sent = ", ".join(self._performer.sent_unjournaled) or "nothing"
            raise Refusal(
                f"{self._keeper.problem}; sent without it: {sent}. Mend the disk, then compare with the broker's orders"
            )

    # --- inputs

    def _take_signals(self) -> int:
        """Those that wait together are answered once, after the last about each contract: one event makes several speak."""
        heard = self._subscriber.collect()
        if heard:
            if self._deciding:
                self._watch.refresh()
            ahead = self._find_ahead(heard)
            if ahead is not None:
                self._go_ahead(ahead, heard)
            else:
                self._take_each(self._accepted(heard))
        self._meters.signal_received_ns = 0
        return len(heard)

    def _accepted(self, heard: list[Heard]) -> list[Signal]:
        """Those that are signals of their sources, and counted."""
        signals: list[Signal] = []
        for each in heard:
            message = self._subscriber.accept(each)
            if message is not None:
                self._meters.signal(each.source, message)
                signals.append(message)  # type: ignore[arg-type]  # the topic's only kind
        return signals

    def _take_each(self, signals: list[Signal]) -> None:
        if signals and self._deciding:
            self._show_market()
        last = {signal.symbol: number for number, signal in enumerate(signals)}
        for number, signal in enumerate(signals):
            self._take(SignalSeen(*self._now(), signal, number != last[signal.symbol]))

    def _find_ahead(self, heard: list[Heard]) -> Ahead | None:
        """An entry that these signals surely bring, standing in the journal. None: they go the long way."""
        assert self._keeper is not None
        if self._fast_path is None or not self._performer.sends or not self._subscriber.are_fresh(heard):
            return None
        ahead = self._fast_path.answer(heard, *self._now())
        return ahead if ahead is not None and self._keeper.write_ahead(ahead.records) else None

    def _go_ahead(self, ahead: Ahead, heard: list[Heard]) -> None:
        """Send it, let the machine say the same, and do what it says besides.

        Whatever goes wrong from here on, an order is out that the machine does not know, and its memory is not to be acted
        upon: trading is halted in the journal, and the stage ends; the next start reads the order there.
        """
        assert self._machine is not None and self._fast_path is not None
        try:
            self._performer.send_ahead(ahead.command)
            rest = self._caught_up(ahead, self._accepted(heard))
        except Exception as error:
            self._give_up(ahead, error)
            raise
        self._context.counters.add("orders_ahead")
        self._do(rest)
        self._work_off()

    def _caught_up(self, ahead: Ahead, signals: list[Signal]) -> list[Output]:
        """What the machine says besides that order. Raises Disagreement."""
        assert self._machine is not None and self._fast_path is not None
        ahead.check_market(*self._watch.look(ahead.symbol))
        outputs: list[Output] = []
        for event in ahead.inputs(signals):
            outputs += self._machine.handle(event)
            self._fast_path.after(event, outputs)
        return ahead.confirm(outputs)

    def _give_up(self, ahead: Ahead, error: Exception) -> None:
        assert self._keeper is not None
        self._context.log.error("an order went out early that the machine did not say: %s: %s", type(error).__name__, error)
        reason = (
            f"order {ahead.intent.order} went out early, and the machine did not say it ({type(error).__name__}); look at"
            " `status` and at the broker, then `resume`: none goes that way any more in this run"
        )
        self._keeper.append(TradingChanged(ahead.intent.market_ns, Trading.HALTED, reason, ahead=True))
        self._hand_over()
        self._machine = None  # nothing more is decided or said in this incarnation

    def _signal_received(self) -> None:
        """The first of those that are answered together."""
        if not self._meters.signal_received_ns:
            self._meters.signal_received_ns = self._context.clock.monotonic_ns()

    def _take_orders(self) -> int:
        assert self._core is not None
        self._core.work()
        events = self._performer.events(*self._now())
        for event in events:
            self._take(event)
        return len(events)

    def _look_upstream(self) -> None:
        now_ns = self._context.clock.monotonic_ns()
        if now_ns < self._upstream_at_ns or self._broker is None or self._keeper is None:
            return
        self._upstream_at_ns = now_ns + UPSTREAM_EVERY_NS
        for file, word in self._box.waiting():
            self.command(word)
            self._hand_over()
            self._box.done(file)
        session = self._broker.problem()
        losses = self._broker.session_losses
        if losses != self._losses and not session:  # lost and back since the last look
            lost = "the order session was lost for a moment"
            self._upstream_problem = lost, lost
            self._take(UpstreamSeen(*self._now(), lost, lost))
        self._losses = losses
        self._context.counters.set("session_losses", losses)
        self._keeper.look()  # also at the first look of an incarnation, whose journal may have begun without room
        problems = [self._context.upstream_problem(stage) for stage in UPSTREAM] + [session, self._keeper.problem]
        problem = "; ".join(each for each in problems if each)
        kind = problem.partition(" has not beaten")[0], session  # the age in it changes each time: no news
        if kind != self._upstream_problem:
            self._upstream_problem = kind
            self._take(UpstreamSeen(*self._now(), problem, session))
        for news in self._bystanders.look(*self._now()):
            self._take(news)

    def _show_due(self) -> bool:
        """Where signals decide, the machine is told the market when it comes, so that no signal waits for that."""
        now_ns = self._context.clock.monotonic_ns()
        if not self._deciding or now_ns < self._show_at_ns:
            return False
        self._show_at_ns = now_ns + SHOW_EVERY_NS
        return True

    def _show_market(self, urgent_only: bool = False) -> None:
        """Tell the machine the newest market; `urgent_only`: only where it makes a bracket leave."""
        assert self._machine is not None
        for symbol, seen in enumerate(self._market_seen):
            newest, quote = self._watch.look(symbol)
            if urgent_only and not self._machine.wants_market(symbol, quote):
                continue
            if newest == seen and quote == self._machine.desk.finder.quotes[symbol]:
                continue
            self._market_seen[symbol] = newest
            event = MarketSeen(
                *self._now(), symbol, newest, quote.ts_ns, quote.recv_ns, quote.last, quote.bid, quote.ask
            )
            self._take(event)

    def _take(self, event: Input) -> None:
        """Journal, decide, journal, hand over to the system, act; then what the acting itself brought in."""
        assert self._machine is not None and self._keeper is not None
        self._inputs.append(event)
        self._work_off()

    def _work_off(self) -> None:
        assert self._machine is not None and self._keeper is not None
        while True:
            if self._performer.has_news:
                self._inputs.extend(self._performer.events(*self._now()))
            if not self._inputs:
                return
            current = self._inputs.popleft()
            self._keeper.append(current)
            outputs = self._machine.handle(current)
            if self._fast_path is not None:
                self._fast_path.after(current, outputs)
            if outputs:
                self._do(outputs)

    def _do(self, outputs: list[Output]) -> None:
        """Journal them, hand it over when the broker is called, and carry them out."""
        assert self._keeper is not None
        for output in outputs:
            self._keeper.append(output)
        if self._performer.calls_the_broker(outputs):
            self._hand_over(before_order=True)
        self._performer.perform(outputs)

    # --- the rest

    def _now(self) -> tuple[int, int]:
        return self._context.clock.monotonic_ns(), self._context.clock.market_ns()

    def _deadline_ns(self) -> int:
        assert self._machine is not None and self._core is not None
        deadline_ns = self._machine.next_deadline_ns()
        retry_ns = self._core.next_retry_ns()
        return deadline_ns if retry_ns is None else min(deadline_ns, retry_ns)

    def _stop_entries(self) -> None:
        assert self._machine is not None and self._sleeper is not None
        self.command(STOP_WORD)
        give_up_ns = self._context.clock.monotonic_ns() + CLOSE_NS
        while self._machine.unfinished() and self._context.clock.monotonic_ns() < give_up_ns:
            self._sleeper.poll(CLOSE_POLL_MS)
            self._take_orders()
            if self._context.clock.monotonic_ns() >= self._deadline_ns():
                self._take(Tick(*self._now()))
            self._context.beat()
        self._meters.last_words(self._context.log, self._context.clock.monotonic_ns())


def _from_the_newest(reader: RingReader) -> RingReader:
    """Let it begin a little behind the newest record."""
    back = min(LOOK_BACK, reader.segment.capacity // 2)
    reader.seek(max(0, reader.published - back))
    return reader
