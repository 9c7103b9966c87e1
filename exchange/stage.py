"""The exchange as a stage: plays the market by its clock, lets orders arrive, handles sockets, publishes counters.

The only place here that reads clocks and the environment. The market stands still until the supervisor says that all
stages are ready; its first event comes one second later.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from exchange.build import BadTape, build_market
from exchange.daily import DailyFigures
from exchange.desk import Desk
from exchange.engine import Engine
from exchange.episodes import BadSchedule
from exchange.faults.box import FaultBox
from exchange.faults.running import Running
from exchange.faults.scenario import BadScenario, Schedule, read_scenario
from exchange.faults.stream import Flicker
from exchange.faults.switchboard import Switchboard
from exchange.faults.table import Burst
from exchange.ground_truth import TruthFile
from exchange.latency import ORDER_ENTRY, BadLatency, routes_of
from exchange.listener import PortTaken
from exchange.listing import Account, Listings
from exchange.market_clock import MarketClock, Moment
from exchange.outbound import Outbound
from exchange.server import Server
from exchange.tally import NAMES, Tally, values_of
from exchange.trading_day import Change, TradingDay
from profitdll.constants import TickerState
from runtime.clock import wall_ns
from runtime.context import StageContext
from runtime.secrets import credentials, simulated_password
from runtime.stage import Refusal, Stage
from tape.format import TapeError

EVENTS_A_TURN = 4096  # so that sockets and commands are looked at between
BATCH_EVENTS = 1024
BURST_TURN_NS = 1_000_000
DAILY_EVERY_NS = 1_000_000_000


class ExchangeStage(Stage):
    """The simulated exchange of paper mode and of rehearsals."""

    name = "exchange"

    def on_start(self, context: StageContext) -> None:
        config = context.config
        self._context = context
        self._clock = context.clock
        secrets = credentials(config.mode, simulated=True)
        zone = ZoneInfo(config.instruments[0].timezone)
        today = datetime.fromtimestamp(wall_ns() // 1_000_000_000, zone).date()
        try:
            self.market = build_market(config, today, TruthFile(context.run_folder).append)
        except (BadTape, BadSchedule, TapeError) as error:
            raise Refusal(f"the simulated market cannot start: {error}") from error
        try:
            faults = read_scenario(Path(config.exchange.scenario)) if config.exchange.scenario else []
        except BadScenario as error:
            raise Refusal(str(error)) from error
        try:
            routes = routes_of(config.exchange)
        except BadLatency as error:
            raise Refusal(str(error)) from error
        first_ns = self.market.first_ns
        self._market_clock = MarketClock(first_ns, config.exchange.speed)
        self._day = TradingDay(config.instruments, first_ns, self.market.has_book, config.sessions)
        self._tally = Tally()
        self._shown: tuple[int | None, ...] = (None,) * len(NAMES)  # totals as they stand in the counters
        account = Account(config.execution.account, config.execution.broker, secrets.routing_password)
        name = f"{datetime.fromtimestamp(first_ns // 1_000_000_000, zone):%y%m%d}-{context.epoch}-"
        self.engine = Engine(self.market, [account.broker], name, config.exchange.self_match, config.exchange.fees)
        self._desk = Desk(
            self.engine,
            Listings(config.instruments),
            [account],
            int(config.exchange.ack_latency_ms * 1e6),
            self._tally,
            Running(),
            routes[ORDER_ENTRY],
        )
        self._flicker = Flicker()
        self._daily, self._next_daily_ns = DailyFigures(config.instruments), 0
        self._burst_ns: int | None = None
        schedule = Schedule(faults, first_ns, config.instruments[0].timezone)
        self._switchboard = Switchboard(schedule, FaultBox(context.run_folder), self._tally, context.log)
        try:
            self.server = Server(
                config.exchange.port, self._desk, simulated_password(), self._tally, context.log, Outbound(routes)
            )
        except PortTaken as error:
            raise Refusal(str(error)) from error
        for index, state in enumerate(self._day.initial):
            if state != TickerState.OPENED:
                self._change_state(Change(first_ns, index, state), at_once=True)
        nets = [f"net_position_{index}" for index in range(len(config.instruments))]
        context.counters.declare(*NAMES, *nets, "tape_ended", "port")
        context.counters.set("port", self.server.port)
        self._publish_counters()
        context.log.info(
            "the exchange listens on 127.0.0.1:%d",
            self.server.port,
            extra={"fields": {"source": "tape" if config.exchange.tape else "generated", "first_event_ns": first_ns}},
        )

    def do_work(self) -> int:
        """One turn: start when told, sessions, market events, orders that arrive, sockets. Never waits."""
        if not self._market_clock.running and self._context.market_start_requested():
            self._market_clock.start(self._clock.monotonic_ns())
            self.server.tell_clock(self._moment())
            self._context.log.info("the market starts")
        elif self._market_clock.running and self._context.market_stop_requested():
            self._market_clock.stop(self._clock.monotonic_ns())
            self.server.tell_clock(self._moment())
        self._start_faults()
        done = self._play() + self._burst() if self._market_clock.running else 0
        moment = self._moment()
        arrived, events = self._desk.arrive(moment.monotonic_ns, moment.market_ns)
        self.server.tell(events)
        if moment.monotonic_ns >= self._next_daily_ns:
            self._next_daily_ns = moment.monotonic_ns + DAILY_EVERY_NS
            for instrument, figures in self._daily.news():
                self.server.tell_daily(instrument, figures)
        done += arrived + self.server.poll(0, self._moment)
        if done:
            self._publish_counters()
        return done

    def wait(self, timeout_ns: int) -> None:
        """Sleep in the selector until a socket is ready, the next event or command is due, or the time is over."""
        if self.server.poll(self._sleep_ns(timeout_ns) / 1e9, self._moment):
            self._publish_counters()

    def on_close(self) -> None:
        if hasattr(self, "server"):
            self._publish_counters()
            self.server.close()

    def _moment(self) -> Moment:
        now_ns = self._clock.monotonic_ns()
        clock = self._market_clock
        return Moment(now_ns, clock.market_ns(now_ns), clock.speed, clock.running)

    def _start_faults(self) -> None:
        moment = self._moment()
        self.server.faults.now(moment.monotonic_ns)
        for fault in self._switchboard.due(moment.monotonic_ns, moment.market_ns):
            self.server.begin(fault)

    def _burst(self) -> int:
        """The extra events of a burst that are due since the last turn."""
        burst, now_ns = self.server.faults.active(Burst), self._clock.monotonic_ns()
        since_ns, self._burst_ns = self._burst_ns, now_ns if burst else None
        if burst is None or since_ns is None:
            return 0
        due = int((now_ns - since_ns) * burst.events_per_s / 1e9)
        self._burst_ns = since_ns + int(due * 1e9 / burst.events_per_s)  # what is left of an event counts next time
        batch = self._flicker.batch(min(due, burst.events_per_s), self._moment().market_ns)
        if batch is not None:
            self.server.publish(batch)
        return due

    def _play(self) -> int:
        """Play what is due, sessions and market events in the order of their time."""
        to_ns = self._moment().market_ns
        done = 0
        while done < EVENTS_A_TURN:
            until_ns = min(to_ns, self._day.next_ns())
            batch = self.market.advance(until_ns, BATCH_EVENTS)
            if batch is not None:
                done += len(batch.kinds)
                self._flicker.see(batch)
                self._daily.see(batch)
                self.server.publish(batch)
                self.server.tell(self.engine.on_batch(batch))
            elif until_ns < to_ns:
                done += self._change_sessions(until_ns)
            else:
                break
        return done

    def _change_sessions(self, until_ns: int) -> int:
        changes = self._day.due(until_ns)
        for change in changes:
            self._change_state(change)
        return len(changes)

    def _change_state(self, change: Change, at_once: bool = False) -> None:
        expired = self._day.expired(change.instrument, change.ns)
        events = self.engine.set_state(change.instrument, change.state, change.ns, expired=expired)
        self.server.tell_state(change, at_once)
        if change.state == TickerState.CLOSED:
            self._daily.end(change.instrument)
        self.server.tell(events)

    def _sleep_ns(self, timeout_ns: int) -> int:
        now_ns = self._clock.monotonic_ns()
        dues = [self._desk.next_due_ns(), self.server.next_due_ns()]
        if self._burst_ns is not None:
            dues.append(now_ns + BURST_TURN_NS)
        of_market = [self.market.next_due_ns(), self._day.next_ns(), self._switchboard.next_market_ns()]
        dues.append(self._market_clock.monotonic_at(min(ns for ns in of_market if ns is not None)))
        return max(0, min([timeout_ns, *(due - now_ns for due in dues if due is not None)]))

    def _publish_counters(self) -> None:
        counters = self._context.counters
        totals = values_of(self._tally)
        for name, total, shown in zip(NAMES, totals, self._shown, strict=True):
            if total != shown:
                counters.set(name, total)
        self._shown = totals
        for index in range(len(self.market.instruments)):
            position = self.engine.positions.get((0, index))
            counters.set(f"net_position_{index}", position.net if position else 0)
        counters.set("tape_ended", int(self.market.next_due_ns() is None))
