"""Each way in which a recording can be broken is found, and named with its place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from shm.layouts import KIND_BOOK, KIND_GAP, KIND_TRADE
from tape.verify import check, gaps, holes
from tests.tape.rows import sound_book, sound_candles, sound_trades

Rows = dict[str, np.ndarray]


def sound() -> Rows:
    """Events 1 to 40: every fourth a trade."""
    sequence = np.arange(1, 41)
    return {
        "trades": sound_trades(sequence[sequence % 4 == 0]),
        "book": sound_book(sequence[sequence % 4 != 0]),
        "candles": sound_candles(np.array([0, 0, 9, 9, 21])),
    }


def run(rows: Rows) -> list[str]:
    return check(rows["trades"], rows["book"], rows["candles"], 1)


def test_a_sound_tape_has_no_findings() -> None:
    assert run(sound()) == []
    assert check(*(rows[:0] for rows in sound().values()), 1) == []


def swap(rows: Rows) -> None:
    rows["trades"]["ingest_seq"][[2, 3]] = rows["trades"]["ingest_seq"][[3, 2]]


def double(rows: Rows) -> None:
    rows["book"]["ingest_seq"][4] = rows["trades"]["ingest_seq"][0]


def time_back(rows: Rows) -> None:
    rows["book"]["ts_ns"][10] -= 3_000_000


def repeat_number(rows: Rows) -> None:
    rows["trades"]["trade_number"][7] = rows["trades"]["trade_number"][5]


def unknown_symbol(rows: Rows) -> None:
    rows["book"]["symbol"][3] = 1


def wrong_kind(rows: Rows) -> None:
    rows["trades"]["kind"][3] = KIND_BOOK


def hole(rows: Rows) -> None:
    rows["book"] = np.delete(rows["book"], [4, 5])


def candles_back(rows: Rows) -> None:
    rows["candles"]["ingest_seq"][4] = 3


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (swap, "trades: ingest_seq does not rise, 1 times; at ingest_seq 12"),
        (double, "trades and book: one ingest_seq twice, 1 times; at ingest_seq 4"),
        (time_back, "symbol 0: time goes back, 1 times; at ingest_seq 14"),
        (repeat_number, "trades: (date, number) more than once, 1 times; at ingest_seq 32"),
        (unknown_symbol, "book: symbol is none of the 1 instruments, 1 times; at ingest_seq 5"),
        (wrong_kind, "trades: record of another kind, 1 times; at ingest_seq 16"),
        (hole, "trades and book: 1 holes, 2 events missing; after ingest_seq 5"),
        (candles_back, "candles: ingest_seq goes back, 1 times; at ingest_seq 3"),
    ],
)
def test_each_defect_is_found(damage: Callable[[Rows], None], expected: str) -> None:
    rows = sound()
    damage(rows)
    assert expected in run(rows)


def test_symbols_have_times_of_their_own() -> None:
    rows = sound()
    rows["book"]["symbol"] = 1
    rows["book"]["ts_ns"] += 10**12
    assert check(rows["trades"], rows["book"], rows["candles"], 2) == []


def test_gap_records_are_told_in_words_and_are_no_trades() -> None:
    rows = sound()
    gap = rows["trades"][5:6]
    gap["kind"], gap["cause"], gap["gap_trades_missing"], gap["trade_number"] = KIND_GAP, 2, -1, 0
    gap["gap_from_ns"], gap["gap_to_ns"] = 5_000_000_000, 7_500_000_000
    assert run(rows) == []
    assert gaps(rows["trades"]) == ["ingest_seq 24, symbol 0: connection lost, 2.500 s, trades missing: unknown"]
    assert (rows["trades"]["kind"] == KIND_TRADE).sum() == 9


def test_holes_are_counted_over_both_kinds() -> None:
    rows = sound()
    assert holes(rows["trades"], rows["book"]) == (0, 0)
    assert holes(rows["trades"][[0, 1, 4]], rows["book"][:0]) == (2, 3 + 11)
