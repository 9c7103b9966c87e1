"""The configuration, as frozen structs: units stand in the names, unknown keys are refused.

A section a stage does not own is not read by it. Values out of range are refused when the file is read, with the
place (`$.risk.max_position`). Secrets never stand here: they come from the environment or the system keyring.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]
AtLeastOne = Annotated[int, Meta(ge=1)]
AccountName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?\Z", max_length=64)]
LocalDate = Annotated[str, Meta(pattern=r"^(\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]))?\Z")]
LocalTime = Annotated[str, Meta(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")]


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every section shares: it cannot change, and a misspelt key is an error."""


class Instrument(_Section, kw_only=True):
    """One contract. Prices are in points, `point_value` is money per point and contract."""

    symbol: str  # what market data are subscribed for, e.g. WDOFUT
    order_symbol: str = ""  # the dated contract that orders name, e.g. WDOZ26; empty: the same as symbol
    exchange: str = "F"
    tick: Positive
    lot: Positive = 1.0  # what one unit of quantity is
    point_value: Positive
    bar_seconds: AtLeastOne = 60
    session_open: LocalTime = "09:00"
    session_close: LocalTime = "18:00"
    timezone: str = "America/Sao_Paulo"
    fee_per_contract: NotNegative = 0.0  # money, one side
    margin_per_contract: NotNegative | None = (
        None  # money that the broker asks for; not said: the whole notional counts
    )
    last_trading_day: LocalDate = (
        ""  # of a dated contract, e.g. "2026-12-01"; empty: by the rule of its ticker, or none
    )
    quantity_step: AtLeastOne = 1  # contracts; an order must be a multiple of it
    # what only the simulated exchange reads
    pre_open_minutes: Annotated[int, Meta(ge=0, le=240)] = 0  # a call so long before the session opens; 0: none
    closing_call_minutes: Annotated[int, Meta(ge=0, le=240)] = 0  # a call so long before the session closes; 0: none
    max_order_quantity: Count = 0  # contracts; 0: no limit
    daily_limit: NotNegative = 0.0  # greatest distance from the day's reference, in band_unit; 0: none
    tunnel: NotNegative = 0.0  # how far beyond the last trade an order may reach, in band_unit; 0: none
    band_unit: Literal["percent", "ticks"] = "percent"
    reference_price: NotNegative = 0.0  # points, e.g. yesterday's settlement; 0: the first price of the market

    @property
    def contract(self) -> str:
        """What an order names."""
        return self.order_symbol or self.symbol


class Dll(_Section):
    """Which ProfitDLL, and the session. An empty path is the simulator that ships with the project."""

    path: str = ""
    connect_timeout_s: Positive = 30.0
    history_bars: Annotated[int, Meta(ge=0, le=200)] = 200
    history_timeout_s: Positive = 10.0
    silent_after_s: NotNegative = 10.0  # no trade or no depth for so long while connected: history is asked; 0: never


class PlantedEpisode(_Section, kw_only=True):
    """An episode that the generated market plays at a fixed time; its truth goes to ground_truth.jsonl."""

    kind: Literal[
        "absorption", "iceberg", "sweep", "withdrawal", "p_profile", "b_profile", "unfinished_auction", "stop_run"
    ]
    at_s: NotNegative  # market seconds after the start
    side: Literal["buy", "sell"] = "buy"  # whom it favours; P profiles are always buy, b profiles sell
    decoy: bool = False  # the same volume without the pattern


class Latency(_Section):
    """How long messages take on one route of the simulated exchange (exchange/latency.py)."""

    kind: Literal["constant", "lognormal", "replayed"] = "constant"
    ms: NotNegative = 0.0  # constant: each; lognormal: the median
    sigma: NotNegative = 0.5  # lognormal: of the logarithm
    file: str = ""  # replayed: a file of milliseconds, one a line, over and over


class Exchange(_Section):
    """The simulated exchange of paper mode."""

    port: Annotated[int, Meta(ge=0, le=65535)] = 0  # 0: any free port
    seed: Count = 1
    tape: str = ""  # a tape folder; empty: a generated market
    speed: Positive = 1.0  # market seconds per second
    start_time: LocalTime = "10:00"  # generated market: local time at which it starts, on the next day with a session
    start_price: NotNegative = 0.0  # generated market; 0: 10,000 ticks
    trades_per_s: Positive = 20.0  # generated market: mean rate over a session, episodes included
    episodes_per_hour: NotNegative = 12.0  # generated market: planted from the seed, fewer below 10 trades/s; 0: none
    episodes: tuple[PlantedEpisode, ...] = ()  # generated market: planted besides, in every instrument
    mixed: bool = False  # with a tape: its flow in real books, in which clients' orders count
    ack_latency_ms: NotNegative = 1.0  # what the exchange itself takes from receipt to the market; routes add theirs
    order_latency: Latency = Latency()  # client to market
    report_latency: Latency = Latency()  # acknowledgements, fills and positions to the client
    market_latency: Latency = Latency()  # trades, books and states to the client
    fees: Literal["config", "b3"] = "config"  # b3: exchange/fees_b3.toml where it knows the contract
    scenario: str = ""  # TOML file of faults (docs/faults.md), beside this one; empty: none
    self_match: Literal["allow", "cancel_incoming", "cancel_resting", "cancel_both"] = "cancel_resting"


class Features(_Section):
    checkpoint_events: AtLeastOne = 4096
    publish: Literal["every", "newest"] = "every"


class Agents(_Section):
    horizon_ms: AtLeastOne = 5000
    signal_every_ms: AtLeastOne = 100  # at most one signal per agent and symbol in this time, unless it changes sign


class Models(_Section):
    bundle: str = ""  # folder written by `train`; empty: ml abstains
    predict_every_ms: AtLeastOne = 100
    horizon_ms: AtLeastOne = 5000  # what `train` teaches to foresee; a bundle brings its own


class Consensus(_Section):
    """docs/consensus.md says what each key does."""

    ml_weight: Share = 0.40
    agents_weight: Share = 0.60
    order_flow: Share = 0.30  # start weights within the agents
    liquidity: Share = 0.20
    tape_reading: Share = 0.25
    footprint: Share = 0.25
    strategies: Annotated[tuple[Literal["threshold", "strong", "qualified", "specialist"], ...], Meta(min_length=1)] = (
        "threshold",
    )  # asked in this order, the first that does not hold decides
    threshold: Share = 0.10  # abs(sum of votes) below it: HOLD
    threshold_max: Share = 0.30  # disagreement and cost raise the threshold up to this
    threshold_dispersion: NotNegative = 1.0  # times (1 + this x standard deviation of the votes ...
    threshold_cost: NotNegative = 1.0  # ... + this x share of the cost in what the market moves); 0: not at all
    decide_on: Literal["ml_signal", "signal", "timer"] = (
        "timer"  # signal: each vote, of any source; an abstention is none
    )
    decide_every_ms: AtLeastOne = 250
    minimum_weight: Share = 0.60  # valid sources must hold this share, else HOLD
    minimum_sources: AtLeastOne = 2
    adaptive: bool = False  # decisions use the learned weights; off: they are learned, kept and published all the same
    learning_rounds: AtLeastOne = 5_000  # settled rounds of votes that the learning rate is best for: about a session
    learning_rate: NotNegative = 0.0  # 0: the one that makes the regret bound of learning_rounds smallest
    weight_floor: Share = 0.25  # no learned weight falls below this share of its start weight
    weight_cap: Share = 0.40  # no learned weight rises above this, unless it starts above it
    correlation_rounds: Count = 100  # half-life, in rounds of votes, of what is known of sources alike; 0: never alike
    volatility_fast_s: Positive = 60.0  # market seconds: the volatility of now
    volatility_slow_s: Positive = 1_800.0  # and the usual one
    regime_calm: Annotated[float, Meta(gt=0, le=0.8)] = 0.67  # calm when fast / slow is so low
    regime_wild: Annotated[float, Meta(ge=1.25)] = 1.5  # wild when it is so high


LimitAction = Literal["halt", "reduce"]  # HALTED, and every position is left; REDUCING: what is held may stay


class Risk(_Section):
    """What no order may pass. Every limit is checked for every entry; docs/risk.md has the table."""

    # capital and size
    capital: Positive = 10_000.0  # money that stands behind the trading
    risk_per_trade: Share = 0.01  # of the capital: what a position may lose at the limit price of its stop, with fees
    liquidity_floor: Share = 0.5  # smallest share of the size when the liquidity agent is against it or not known
    # exposure
    max_position: AtLeastOne = 2  # contracts, of one instrument
    max_order_quantity: AtLeastOne = 2  # contracts
    max_open_orders: AtLeastOne = 10  # of ours, all instruments
    max_notional: Positive = 250_000.0  # money: contracts x price x point value, held and working, all instruments
    max_margin: Positive = 250_000.0  # money, the same with each contract's margin
    # price
    price_collar_ticks: AtLeastOne = 20  # from the last trade and from the touch
    max_spread_ticks: AtLeastOne = 10  # best ask less best bid
    max_alias_ticks: AtLeastOne = 20  # middle of the data's touch (WDOFUT) from that of the ordered contract (WDOZ26)
    # money
    max_daily_loss: Positive = 2_000.0  # money, realised and open
    daily_loss_action: LimitAction = "halt"
    max_drawdown: Positive = 2_000.0  # money, from the highest realised profit of the day to realised and open now
    drawdown_action: LimitAction = "halt"
    max_losses_in_row: AtLeastOne = 5  # then entries wait for cool_down_s after the last of them
    cool_down_s: NotNegative = 600.0  # market time
    # pace
    max_trades_per_day: AtLeastOne = 200  # entries
    min_entry_interval_ms: Count = 1_000  # market time between entries of one instrument
    max_orders_per_s: AtLeastOne = 5
    max_orders_per_min: AtLeastOne = 100
    max_cancels_per_s: AtLeastOne = 10  # cancels always go out; while there were more, no entry does
    max_cancels_per_min: AtLeastOne = 200
    max_message_ratio: Positive = 20.0  # orders and cancels of the day per execution, at least one execution counted
    message_ratio_after: Count = 100  # messages of the day from which on that ratio is looked at
    duplicate_ms: Count = 500  # the same entry again within this time (monotonic) is a mistake
    # data
    max_data_age_ms: AtLeastOne = 1_000  # pipeline age, monotonic clock
    max_exchange_age_ms: AtLeastOne = 10_000  # age of the last event, market clock
    required_features: tuple[str, ...] = ()  # families (docs/features.md) that must be whole; none named: any one


class Execution(_Section):
    account: AccountName = "paper"  # also part of the name of the folder that holds the account's journal
    broker: int = 0
    order_type: Literal["limit", "market"] = "limit"
    entry_offset_ticks: int = 0  # limit price: the touch we hit, plus this in our direction
    entry_ttl_ms: AtLeastOne = 2_000
    confirm_ms: AtLeastOne = 1_000  # an order or cancel without an answer for so long is asked about, a stop given up
    stop_ticks: AtLeastOne = 10
    target_ticks: AtLeastOne = 10
    target: Literal["local", "resting"] = (
        "local"  # resting: a limit order at the broker beside the stop; docs/execution.md says what can go wrong
    )
    stop_limit_offset_ticks: AtLeastOne = 4
    stop_fill_ms: AtLeastOne = 1_000  # a stop that was triggered and has not filled for so long: cancel and flatten
    unprotected_ms: AtLeastOne = 1_500  # longest that contracts are held without a confirmed stop: alarm and flatten
    trail_ticks: Count = 0  # leave when the price falls back so far from its best since the entry; 0: no trailing
    max_hold_ms: Count = 0  # market time after which a position is left; 0: no time stop
    settle_ms: AtLeastOne = 5_000  # market time before an intent that two listings do not show counts as not sent
    on_same_side: Literal["hold", "add"] = "hold"  # a decision for the side we hold
    on_opposite: Literal["exit", "reverse"] = "exit"  # reverse: enter the other side as soon as we are flat
    max_quantity: AtLeastOne = 1  # contracts at confidence 1
    gateway: Literal["inproc", "process"] = "inproc"  # process: the order session in a process without ZeroMQ's threads
    # split: market data and routing each in a session of their own, in the processes of ingest and execution; shared: one
    # full login for both, in one process, for licences that allow one session for each activation key
    session: Literal["split", "shared"] = "split"
    journal_sync: Literal["interval", "always"] = "interval"
    sqlite: bool = True  # orders, fills and decisions also as tables, in orders.sqlite beside the journal
    wait: Literal["runtime", "block", "yield", "spin"] = (
        "runtime"  # how this stage waits: as runtime.wait says, or as here; spin: it takes a core for itself
    )
    fast_path: bool = True  # entries from flat by compiled code; not with decide_on = timer, dry-run, journal_sync = always
    rehearse_every_ms: Count = 5  # at most so often an idle stage walks a decision's way in play; 0: never


class Recorder(_Section):
    enabled: bool = True
    batch_ms: AtLeastOne = 1_000
    segment_rows: AtLeastOne = 2_000_000
    vectors: bool = True  # record the feature vectors too (about 630 bytes each), for `replay RUN --verify`


class Runtime(_Section):
    folder: str = "runs"
    wait: Literal["block", "yield", "spin"] = "block"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    restart_limit: AtLeastOne = 10  # restarts of one stage within restart_window_s
    restart_window_s: Positive = 60.0
    hung_after_s: Positive = 2.0
    ring_capacity_shift: Annotated[int, Meta(ge=0, le=8)] = (
        0  # halve every ring this many times (tests, small machines)
    )


class RegularHours(_Section, kw_only=True):
    """When contracts trade on a working day, over a range of dates (both included)."""

    roots: Annotated[tuple[str, ...], Meta(min_length=1)]  # what their tickers begin with, e.g. WDO
    first: date
    last: date
    opens: LocalTime
    closes: LocalTime


class Holiday(_Section, kw_only=True):
    day: date
    name: str


class SpecialDay(_Section, kw_only=True):
    """A day with other hours; a time that is not said is the regular one."""

    day: date
    opens: LocalTime | None = None
    closes: LocalTime | None = None
    name: str


class NoTrade(_Section, kw_only=True):
    """No entries from `starts` until before `ends`, local time; on `day`, or on every day without one."""

    starts: LocalTime
    ends: LocalTime
    day: date | None = None
    reason: str = "no-trade window"


class Sessions(_Section):
    """When the exchange trades. `load` puts the table `config/sessions/<table>.toml` beneath what a file says here.

    A contract whose ticker begins with none of the `roots` of `hours` trades by its own `session_open` and
    `session_close`, every day of the week.
    """

    table: str = ""  # embedded table, or a path to one; "": none. A file that does not say gets "b3"
    timezone: str = "America/Sao_Paulo"  # of hours, special and no_trade
    hours: tuple[RegularHours, ...] = ()
    special: tuple[SpecialDay, ...] = ()
    holidays: tuple[Holiday, ...] = ()
    no_trade: tuple[NoTrade, ...] = ()
    no_entry_before_close_min: Count = 30  # no entries in the last minutes of a session
    flat_before_close_min: Count = 15  # so many minutes before the close every position is left; 0: none is
    no_entry_before_expiry_days: Count = 1  # trading days to the contract's last one, up to which none is entered


class Config(_Section, kw_only=True):
    """The whole configuration. `mode = live` also needs `up --live ACCOUNT`."""

    mode: Literal["paper", "dry-run", "live"] = "paper"
    instruments: Annotated[tuple[Instrument, ...], Meta(min_length=1, max_length=16)]
    dll: Dll = Dll()
    exchange: Exchange = Exchange()
    features: Features = Features()
    agents: Agents = Agents()
    models: Models = Models()
    consensus: Consensus = Consensus()
    risk: Risk = Risk()
    sessions: Sessions = Sessions()
    execution: Execution = Execution()
    recorder: Recorder = Recorder()
    runtime: Runtime = Runtime()
