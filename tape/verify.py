"""Whether a tape keeps its promises: order, contiguity, no doubles, times that do not go back.

Pure functions of arrays: they find, they never mend. A finding is a problem of the recording; rows that the feature
contract leaves out (crossed books, prices off the grid) are the market's, and are counted in `tape.drops`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shm.layouts import GAP_CAUSES, KIND_BOOK, KIND_GAP, KIND_TRADE

Rows = np.ndarray[Any, Any]
_SHOWN = 3


def check(trades: Rows, book: Rows, candles: Rows, instruments: int) -> list[str]:
    """Every broken promise as one line of text; empty when the tape is sound."""
    problems: list[str] = []
    for name, rows, kinds in (("trades", trades, (KIND_TRADE, KIND_GAP)), ("book", book, (KIND_BOOK,))):
        steps = np.diff(rows["ingest_seq"])
        _say(problems, steps <= 0, rows["ingest_seq"][1:], f"{name}: ingest_seq does not rise")
        _say(problems, ~np.isin(rows["kind"], kinds), rows["ingest_seq"], f"{name}: record of another kind")
    _say(problems, np.diff(candles["ingest_seq"]) < 0, candles["ingest_seq"][1:], "candles: ingest_seq goes back")
    for name, rows in (("trades", trades), ("book", book), ("candles", candles)):
        unknown = (rows["symbol"] < 0) | (rows["symbol"] >= instruments)
        _say(problems, unknown, rows["ingest_seq"], f"{name}: symbol is none of the {instruments} instruments")
    problems += _merged(trades, book)
    problems += _repeated_trades(trades)
    return problems


def holes(trades: Rows, book: Rows) -> tuple[int, int]:
    """(number of holes in the merged numbering, events missing in them)."""
    sequence = np.unique(np.concatenate([trades["ingest_seq"], book["ingest_seq"]]))
    steps = np.diff(sequence)
    return int((steps > 1).sum()), int((steps[steps > 1] - 1).sum())


def gaps(trades: Rows) -> list[str]:
    """The gap records in words: what was not heard, and why."""
    lines = []
    for row in trades[trades["kind"] == KIND_GAP]:
        seconds = (int(row["gap_to_ns"]) - int(row["gap_from_ns"])) / 1e9 if row["gap_from_ns"] else float("nan")
        missing = "unknown" if row["gap_trades_missing"] < 0 else int(row["gap_trades_missing"])
        cause = GAP_CAUSES.get(int(row["cause"]), f"cause {row['cause']}")
        place = f"ingest_seq {row['ingest_seq']}, symbol {row['symbol']}"
        lines.append(f"{place}: {cause}, {seconds:.3f} s, trades missing: {missing}")
    return lines


def _merged(trades: Rows, book: Rows) -> list[str]:
    problems: list[str] = []
    sequence = np.concatenate([trades["ingest_seq"], book["ingest_seq"]])
    order = np.argsort(sequence, kind="stable")
    sequence = sequence[order]
    _say(problems, np.diff(sequence) == 0, sequence[1:], "trades and book: one ingest_seq twice")
    missing, events = holes(trades, book)
    if missing:
        first = sequence[:-1][np.diff(sequence) > 1][:_SHOWN]
        problems.append(f"trades and book: {missing} holes, {events} events missing; after ingest_seq {_list(first)}")
    times = np.concatenate([trades["ts_ns"], book["ts_ns"]])[order]
    symbols = np.concatenate([trades["symbol"], book["symbol"]])[order]
    for symbol in np.unique(symbols):
        here = symbols == symbol
        back = np.diff(times[here]) < 0
        _say(problems, back, sequence[here][1:], f"symbol {symbol}: time goes back")
    return problems


def _repeated_trades(trades: Rows) -> list[str]:
    problems: list[str] = []
    numbered = trades[(trades["kind"] == KIND_TRADE) & (trades["trade_number"] > 0)]
    order = np.lexsort([numbered["trade_number"], numbered["trade_date"], numbered["symbol"]])
    keys = numbered[["symbol", "trade_date", "trade_number"]][order]
    _say(problems, keys[1:] == keys[:-1], numbered["ingest_seq"][order][1:], "trades: (date, number) more than once")
    return problems


def _say(problems: list[str], found: Rows, sequence: Rows, text: str) -> None:
    places = sequence[found]
    if len(places):
        problems.append(f"{text}, {len(places)} times; at ingest_seq {_list(places[:_SHOWN])}")


def _list(values: Rows) -> str:
    return ", ".join(str(value) for value in values)
