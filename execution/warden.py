"""Watches the limits that act by themselves: the day's loss, the drawdown, and the end of the session.

What each brings about is `risk.states.MOVES`. It looks after every event that can change money, position or time, and acts
through the same hands as a person's word: the state is journaled, and leaving goes the way of every exit. A profit that is
not known moves nothing here; it refuses entries at the gate.
"""

from __future__ import annotations

import math

from bus.messages import MESSAGE_VERSION, TradingState
from config.schema import Config
from execution.brackets import Phase
from execution.desk import Desk
from execution.events import Input, Publish, TradingChanged
from execution.ledger import Ledger
from execution.outbox import Outbox
from execution.risk.loss import daily_loss_reached, drawdown_reached
from execution.risk.states import ALLOWS, Limit, move_of
from execution.steering import Steering

MINUTE_NS = 60_000_000_000
LOOK_EVERY_NS = 1_000_000_000  # while something is held, also when nothing else happens
ACTIONS = {"halt": Limit.HALT, "reduce": Limit.REDUCE}
SESSION_ENDS = "session ends"


class Warden:
    """`look` after each event. `follow` after a person's word has moved the state."""

    def __init__(self, config: Config, ledger: Ledger, desk: Desk, outbox: Outbox, steering: Steering) -> None:
        self._limits = config.risk
        self._flat_ns = config.sessions.flat_before_close_min * MINUTE_NS
        self._ledger = ledger
        self._desk = desk
        self._outbox = outbox
        self._steering = steering
        self._states = 0

    def next_deadline_ns(self, ticked_ns: int) -> int | None:
        """Monotonic time of the next look that is due without an event, the last Tick having been at `ticked_ns`."""
        return ticked_ns + LOOK_EVERY_NS if self._ledger.live else None

    def look(self, event: Input) -> None:
        """Let each limit that is passed now act."""
        if event.market_ns <= 0:
            return
        open_profit = self._desk.finder.open_profit()
        for day in {contract.day(event.market_ns) for contract in self._ledger.contracts}:
            tally = self._ledger.tallies.day(day)
            profit = tally.profit + open_profit
            if math.isnan(profit):
                continue
            if daily_loss_reached(profit, self._limits):
                self._act(self._limits.daily_loss_action, f"the day's loss is {-profit:.2f}", event)
            if drawdown_reached(tally.peak, profit, self._limits):
                self._act(self._limits.drawdown_action, f"{tally.peak - profit:.2f} below the day's peak", event)
        if self._ledger.live:
            self._end_sessions(event)

    def follow(self, event: Input, flatten: bool, reason: str) -> None:
        """The state was moved: working entries and positions follow it, and the bus hears of it."""
        ledger = self._ledger
        if not ALLOWS[ledger.trading].working_entries:
            self._steering.cancel_entries(event, reason)
        if flatten:
            self._steering.leave_all(None, reason, event)
        self._outbox.emit(
            Publish(TradingState(MESSAGE_VERSION, self._states, ledger.trading, ledger.trading_reason, event.market_ns))
        )
        self._states += 1

    def _act(self, action: str, reason: str, event: Input) -> None:
        move = move_of(self._ledger.trading, ACTIONS[action])
        holds = move.flatten and any(not bracket.exit_wanted for bracket in self._ledger.live.values())
        if move.state is self._ledger.trading and not holds:
            return
        self._outbox.note("error", f"{reason}: trading is {move.state} until a person says `resume`")
        self._outbox.emit(TradingChanged(event.market_ns, move.state, reason))
        self.follow(event, move.flatten, reason)

    def _end_sessions(self, event: Input) -> None:
        """Leave what is held in the last minutes of its session, and what still works of an entry."""
        for bracket in self._ledger.live_brackets():
            hours = self._ledger.contracts[bracket.symbol].hours
            if bracket.exit_wanted or bracket.phase in (Phase.RETREATING, Phase.CLOSING) or hours is None:
                continue
            window = hours.at(event.market_ns)
            move = move_of(self._ledger.trading, Limit.SESSION_END)
            if move.flatten and not window.closed and window.closes_ns - event.market_ns <= self._flat_ns:
                self._steering.leave_if_held(bracket, SESSION_ENDS, event)
