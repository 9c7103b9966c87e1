"""The words of docs/generated_market.md: what the generator is, and a judgement of the comparison for the page's seed."""

from __future__ import annotations

_KINDS = (
    (
        "`absorption`",
        "20 s of heavy selling into one bid that is replenished and holds; then the price leaves upwards",
        "as many orders, both sides alike, no wall",
    ),
    (
        "`iceberg`",
        "400 lots bought at one price, 8 shown at a time",
        "400 lots at one price, all shown",
    ),
    (
        "`sweep`",
        "one order through six offers at one instant",
        "the volume in many small orders",
    ),
    (
        "`withdrawal`",
        "the offers are cancelled to a fraction for 12 s, the bids stand",
        "as many cancels, both sides alike, quotes come back",
    ),
    (
        "`p_profile` (buy), `b_profile` (sell)",
        "a quick thin move of 16 ticks, then 40 s of heavy two-sided trading there",
        "the volume spread evenly over the range",
    ),
    (
        "`unfinished_auction`",
        "a high at which first buyers, then sellers trade heavily; it is left without a finish",
        "a high that a seller holds: nobody sells to a bid there",
    ),
    (
        "`stop_run`",
        "the low of the last eight minutes is broken, a burst of many brokers' sells follows, the price comes back",
        "the burst inside the range",
    ),
)
_TABLE = "| kind (side = buy; sell is the mirror image) | what is planted | its decoy |\n|---|---|---|\n"
_TABLE += "".join(f"| {kind} | {what} | {decoy} |\n" for kind, what, decoy in _KINDS)

BEFORE_TABLE = """# The generated market

`exchange.tape = ""` (the default) plays a market made from a seed on real order books: your orders stand in the same queues as
everybody else's. The same seed and configuration give the same market, bit for bit, on one platform. This page is made by
`python -m exchange.facts.document --captures DIR`; without the captures their columns are left out.

    python supervisor.py tape generate OUT --seed 7 --minutes 60 --config config/wdo.toml    a tape, as fast as it can be made

| key of `[exchange]` | what |
|---|---|
| `seed` | of everything |
| `trades_per_s` | mean over a session, episodes included; a stretch of time has its share of the day's curve |
| `start_time`, `start_price` | where the day is entered |
| `episodes_per_hour` | planted from the seed, kinds in turn, a third of them decoys; fewer below 10 trades/s; 0: none |
| `episodes` | a list of `{kind, side, at_s, decoy}` at fixed market seconds; those from the seed make way |

## Who trades

- **Arrivals.** Market orders are a Hawkes process with two exponential kernels (Hawkes 1971), simulated exactly (Dassios and
  Zhao 2013): lambda(t) = mu c(t) + sum over k of sum over t_i < t of n_k b_k exp(-b_k (t - t_i)), with n = (0.40, 0.35),
  b = (8 / s, 1 / 45 s), branching ratio 0.75, checked to be below 1. c is the volume curve of the day, mean 1. Limit orders
  (5 for each market order) and cancels (in proportion to the orders that rest) keep pace with lambda. A test recovers the
  process from the tape alone: time measured in intensity is a unit Poisson process (Ogata 1981).
- **Parent orders.** 65 % of market orders are children of four institutional orders of heavy-tailed length (Pareto 1.5, Lillo,
  Mike and Farmer 2005), so signs of orders have a long memory. Some parents are one sweep through several levels, some wait as
  icebergs: a part is shown, and the next part goes to the end of the queue.
- **Price.** What the background believes the price to be moves by news, in the time of trading (Clark 1973) with a volatility of
  its own slow life (Taylor 1986), and by the surprise in each sign (Madhavan, Richardson and Roomans 1997), so that the memory
  of signs is no memory of returns. It reverts to the start price over half an hour.
- **Makers and retail.** Makers quote on both sides, fill a spread of two ticks, and take out quotes that the price left behind.
  Retail takes small round sizes. Twenty broker codes have one habit each, and a little of the others (`exchange/brokers.py`).

- **Auctions.** Where an instrument has calls (`pre_open_minutes`, `closing_call_minutes`), the background sends orders into them,
  around the reference and at market; the auction's own rules make the price.

Not modelled: correlation between instruments, news at known times, jumps between sessions, and orders that answer yours (nobody
follows or fades you; your trades move the book, not the others' belief).

## Episodes and their truth

Each episode acts in the book, by its rules, beside the background. When it is over, one line goes to `ground_truth.jsonl` (in
the run's folder; in a generated tape's folder): kind, side, symbol, start_ns, end_ns, price, volume, decoy, planted.
`exchange.ground_truth.read(FOLDER)` gives them back. `side` is the participant that the pattern speaks for.

@KINDS@
Below 10 trades/s, episodes last longer (up to ten times), so that they have about as many orders. Sweeps (four prices or
more) and icebergs (shown more than three times) that come about by themselves are told too, with `planted` false. The tests
measure each kind's signature in trades and book, by these definitions, apart from the agents and from the generator.

## Compared with recorded markets
""".replace("@KINDS@\n", _TABLE + "\n")

AFTER_TABLE = ""
PICTURES_TEXT = """## Pictures

![share of time at each spread](generated_market/spread.svg)
![order sizes](generated_market/sizes.svg)
![memory of signs](generated_market/signs.svg)
![returns of ten seconds](generated_market/returns.svg)
![volatility clustering](generated_market/clustering.svg)
![volume of each minute](generated_market/volume.svg)
"""
