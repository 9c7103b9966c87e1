"""A tape made offline: the market of the same seed, sound by the tape's own checks, with its truth, and never half made."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

import supervisor
from config.schema import PlantedEpisode
from exchange.build import generated_market
from exchange.generate_options import DAY
from exchange.generated_tape import generate_tape
from exchange.ground_truth import read
from exchange.market import KIND_TRADE
from tape.format import TapeError
from tape.info import info
from tape.reader import Tape
from tests.exchange.kit import config_of, instrument

MONDAY = date.fromisoformat(DAY)


def config(**exchange):
    return config_of(instrument(), instrument(symbol="WINFUT", tick=5.0), **({"seed": 4} | exchange))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_tape_is_the_generated_market_event_by_event(tmp_path):
    planted = (PlantedEpisode(kind="sweep", at_s=30.0),)
    made = generate_tape(config(episodes=planted), tmp_path / "tape", MONDAY, 1.0)
    tape = Tape.open(made.folder)
    assert [(each.symbol, each.tick) for each in tape.instruments] == [("WDOFUT", 0.5), ("WINFUT", 5.0)]
    assert not info(made.folder).problems
    trades, books = tape.trades(), tape.book()
    assert (len(trades), len(books)) == (made.trades, made.books)
    told = []
    market = generated_market(config(episodes=planted), MONDAY, told.append)
    expected = []
    while (batch := market.advance(market.first_ns + 60 * 10**9, 500)) is not None:
        bodies = {True: iter(batch.trades["body"]), False: iter(batch.books["body"])}
        for kind in batch.kinds:
            body = next(bodies[kind == KIND_TRADE])
            expected.append(
                (int(body["ts_ns"]), int(body["index"]), float(body["price"]) if kind == KIND_TRADE else 0.0)
            )
    rows = np.concatenate([trades["ingest_seq"], books["ingest_seq"]])
    times = np.concatenate([trades["ts_ns"], books["ts_ns"]])
    symbols = np.concatenate([trades["symbol"], books["symbol"]])
    prices = np.concatenate([trades["price"], np.zeros(len(books))])
    order = np.argsort(rows)
    assert rows[order].tolist() == list(range(1, len(expected) + 1))
    assert list(zip(times[order].tolist(), symbols[order].tolist(), prices[order].tolist(), strict=True)) == expected
    assert set(np.unique(trades["trade_date"])) == {20260302}
    assert (trades["aggressor"] == np.where(trades["trade_type"] == 2, 1, -1)).all()
    assert read(made.folder) == sorted(told, key=lambda each: (each.start_ns, each.end_ns))
    assert sum(each.planted for each in told) == 2  # one in each instrument


def test_same_seed_same_files(tmp_path):
    for name, seed in (("a", 4), ("b", 4), ("c", 5)):
        generate_tape(config(seed=seed, episodes_per_hour=300.0), tmp_path / name, MONDAY, 1.75)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert "ground_truth.jsonl" in contents(tmp_path / "a")
    assert contents(tmp_path / "a")["trades-000001.arrows"] != contents(tmp_path / "c")["trades-000001.arrows"]


def test_nothing_is_written_over_or_left_half_made(tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(TapeError, match="exists already"):
        generate_tape(config(), tmp_path / "there", MONDAY, 1.0)
    (tmp_path / "file").write_text("")
    with pytest.raises(TapeError):
        generate_tape(config(), tmp_path / "file" / "tape", MONDAY, 1.0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "there"]


def test_command_line(tmp_path, capsys):
    out = tmp_path / "tape"
    assert supervisor.main(["tape", "generate", str(out), "--seed", "7", "--minutes", "0.5"]) == 0
    said = capsys.readouterr().out
    assert f"{out}: " in said
    assert not info(out).problems
    header = Tape.open(out).origin
    assert (header["source"], header["exchange"]["seed"], header["day"]) == ("generated", 7, DAY)
    assert supervisor.main(["tape", "generate", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err
    for wrong, why in (
        (["--minutes", "0"], "--minutes"),
        (["--minutes", "nan"], "--minutes"),
        (["--minutes", "1e300"], "--minutes"),
        (["--minutes", "inf"], "--minutes"),
        (["--day", "2026-02-30"], "day"),
        (["--day", "0001-01-01"], "--day 0001-01-01: the year"),
        (["--day", "9999-12-31"], "--day 9999-12-31: the year"),
        (["--seed", "-1"], "$.exchange.seed"),
    ):
        assert supervisor.main(["tape", "generate", str(tmp_path / "other"), *wrong]) == 2, wrong
        assert why in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
