"""A tape made from the generated market, as fast as the generator runs, with the ground truth in its folder.

No sockets, no clock, no pipeline: what the exchange would have sent, numbered in its order. The same configuration and seed
give the same tape. It appears under its name only when it is whole.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec
import numpy as np

from config.schema import Config, Instrument
from exchange.build import generated_market
from exchange.generated_market import GeneratedMarket
from exchange.ground_truth import Episode, TruthFile
from exchange.market import KIND_TRADE, Array, Batch
from profitdll.constants import TradeType
from shm.layouts import BOOK, KIND_BOOK, TRADE
from shm.layouts import KIND_TRADE as RECORD_TRADE
from tape.dates import local_dates
from tape.format import TapeError, TapeHeader, TapeInstrument
from tape.writer import TapeWriter

CHUNK_EVENTS = 1 << 16
MINUTE_NS = 60_000_000_000


@dataclass(frozen=True)
class Generated:
    """What was made."""

    folder: Path
    trades: int
    books: int
    episodes: int


def generate_tape(config: Config, out: Path, day: date, minutes: float) -> Generated:
    """Write the tape `out`: so many market minutes from `config.exchange.start_time` of `day`, or up to the session's end.

    Raises TapeError when the folder exists or cannot be written, BadSchedule when planted episodes overlap.
    """
    if out.exists():
        raise TapeError(f"{out}: exists already; a tape is never written over")
    temporary = out.with_name(f"{out.name}.generating-{os.getpid()}")
    truth = TruthFile(temporary)
    episodes: list[Episode] = []
    counts = {"trades": 0, "book": 0}
    market = generated_market(config, day, episodes.append)
    header = TapeHeader(
        instruments=tuple(
            TapeInstrument(symbol=spec.symbol, tick=spec.tick, lot=spec.lot, timezone=spec.timezone, exchange=spec.exchange)
            for spec in config.instruments
        ),
        origin={
            "source": "generated", "day": day.isoformat(), "minutes": minutes,
            "exchange": msgspec.to_builtins(config.exchange),
        },
    )  # fmt: skip
    try:
        with TapeWriter.create(temporary, header) as writer:
            for trades, books in rows(market, config.instruments, market.first_ns + int(minutes * MINUTE_NS)):
                for kind, records in (("trades", trades), ("book", books)):
                    writer.append(kind, records)
                    counts[kind] += len(records)
            for episode in episodes:
                truth.append(episode)
        os.rename(temporary, out)
    except OSError as error:
        raise TapeError(f"{out}: cannot be written: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Generated(out, counts["trades"], counts["book"], len(episodes))


def rows(market: GeneratedMarket, specs: Sequence[Instrument], to_ns: int) -> Iterator[tuple[Array, Array]]:
    """The market up to `to_ns` as chunks of records, TRADE (n,) and BOOK (m,), numbered from 1 in their order."""
    first = 1
    held: list[Batch] = []
    events = 0
    while (batch := market.advance(to_ns, CHUNK_EVENTS)) is not None:
        held.append(batch)
        events += len(batch.kinds)
        if events >= CHUNK_EVENTS:
            yield _records(held, specs, first)
            first, events, held = first + events, 0, []
    if held:
        yield _records(held, specs, first)


def _records(batches: Sequence[Batch], specs: Sequence[Instrument], first: int) -> tuple[Array, Array]:
    kinds = np.concatenate([batch.kinds for batch in batches])
    numbers = np.arange(first, first + len(kinds))
    body = np.concatenate([batch.trades["body"] for batch in batches])
    trades = np.zeros(len(body), TRADE)
    trades["kind"], trades["ingest_seq"] = RECORD_TRADE, numbers[kinds == KIND_TRADE]
    trades["symbol"], trades["trade_number"] = body["index"], body["number"]
    for name in ("ts_ns", "price", "quantity", "buyer", "seller", "trade_type"):
        trades[name] = body[name]
    trades["aggressor"] = (body["trade_type"] == TradeType.BUY_AGGRESSOR).astype(np.int8)
    trades["aggressor"] -= body["trade_type"] == TradeType.SELL_AGGRESSOR
    for index, spec in enumerate(specs):
        ours = trades["symbol"] == index
        trades["trade_date"][ours] = local_dates(trades["ts_ns"][ours], spec.timezone)
    body = np.concatenate([batch.books["body"] for batch in batches])
    books = np.zeros(len(body), BOOK)
    books["kind"], books["ingest_seq"] = KIND_BOOK, numbers[kinds != KIND_TRADE]
    books["symbol"], books["ts_ns"] = body["index"], body["ts_ns"]
    for name in ("bid_price", "bid_quantity", "ask_price", "ask_quantity"):
        books[name] = body[name]
    return trades, books
