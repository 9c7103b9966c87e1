"""The file of the ground truth: written line by line, found beside tapes and runs, and never half believed."""

from __future__ import annotations

import msgspec
import pytest

from config.schema import PlantedEpisode
from exchange.ground_truth import FILE_NAME, BadTruth, Episode, TruthFile, read
from tests.exchange.kit import START_NS


def episode(start: int = 0, kind: str = "sweep", **fields) -> Episode:
    values = {
        "side": "buy", "symbol": "WDOFUT", "start_ns": START_NS + start, "end_ns": START_NS + start + 5, "price": 5400.5,
        "volume": 7, "decoy": False, "planted": True,
    }  # fmt: skip
    return Episode(kind=kind, **(values | fields))


def test_what_was_written_is_read_in_order_of_its_start(tmp_path):
    file = TruthFile(tmp_path)
    assert not file.path.exists()
    later, sooner = episode(10), episode(2, kind="iceberg", side="sell", decoy=True, planted=False)
    file.append(later)
    TruthFile(tmp_path).append(sooner)  # a restarted exchange goes on in the same file
    (tmp_path / "tape").mkdir()
    for place in (tmp_path, tmp_path / "tape", file.path):
        assert read(place) == [sooner, later]


def test_a_line_cut_short_is_passed_over_and_a_wrong_one_is_named(tmp_path):
    file = TruthFile(tmp_path)
    file.append(episode())
    with open(file.path, "ab") as out:
        out.write(b'{"kind": "swe')
    assert read(tmp_path) == [episode()]
    for wrong in (b"nonsense", msgspec.json.encode(episode(kind="miracle"))):
        file.path.write_bytes(msgspec.json.encode(episode()) + b"\n" + wrong + b"\n")
        with pytest.raises(BadTruth, match="line 2"):
            read(tmp_path)


def test_where_there_is_none_it_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=FILE_NAME):
        read(tmp_path / "run")


def test_the_exchange_writes_it_into_the_folder_of_the_run(open_exchange):
    planted = (
        PlantedEpisode(kind="sweep", at_s=3.0),
        PlantedEpisode(kind="iceberg", at_s=8.0, side="sell", decoy=True),
    )
    exchange = open_exchange(episodes=planted)
    exchange.started = True
    exchange.step()
    exchange.step(60.0)
    found = [each for each in read(exchange.context.run_folder) if each.planted]
    first_ns = exchange.stage.market.first_ns
    assert [(each.kind, each.side, each.decoy, each.start_ns - first_ns) for each in found] == [
        ("sweep", "buy", False, 3_000_000_000), ("iceberg", "sell", True, 8_000_000_000),
    ]  # fmt: skip
    assert all(each.volume > 0 and each.price > 0 and each.symbol == "WDOFUT" for each in found)
