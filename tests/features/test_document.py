"""docs/features.md and its pictures are what the registry and the recorded hour give."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from features.document import DOCS, PICTURES, main, pictures, table_of, text
from features.families import FAMILIES
from features.offline import compute
from features.pictures import SLICES, picture, slices
from features.registry import NAMES
from tape.importer import import_tape
from tests import captures
from tests.processes import PROJECT
from tests.streams import NO_CANDLES, instrument, made


def test_the_document_is_up_to_date() -> None:
    written = (DOCS / "features.md").read_text(encoding="utf-8")
    assert written == text(), "run: python -m features.document"
    assert written.isascii()
    for name in NAMES:
        assert f"| `{name}` |" in written
    for family in FAMILIES:
        assert (PICTURES / f"{family.name}.svg").is_file()


def test_the_pictures_are_up_to_date(tmp_path: Path) -> None:
    data = captures.folder("es_2023-12-25")
    import_tape(data / "trades.parquet", data / "book.parquet", tmp_path / "tape", "ES", 0.25)
    table, title = table_of(tmp_path / "tape", PROJECT / "config" / "es.toml")
    for name, drawn in pictures(table, title).items():
        assert (PICTURES / name).read_text(encoding="utf-8") == drawn, "run: python -m features.document --tape ..."


def test_a_picture_is_sound_and_says_what_is_missing() -> None:
    stream = made(1, 400, dirt=0.0)
    table = compute(stream.trades, stream.book, NO_CANDLES, instrument(2))
    for family in FAMILIES:
        root = ElementTree.fromstring(picture(family, table, "a <made> market"))
        drawn = [element.text for element in root.iter() if element.text]
        for name in NAMES[family.first : family.first + family.count]:
            assert name in drawn
    empty = table.values.copy()
    table.values[:, 0] = np.nan
    assert "not defined in this market" in picture(FAMILIES[0], table, "x")
    table.values[:] = empty


def test_slices_hold_the_last_value_and_leave_holes() -> None:
    stream = made(2, 300, dirt=0.0)
    table = compute(stream.trades, stream.book, NO_CANDLES, instrument(2))
    shown = slices(table, 60)
    assert len(shown) == SLICES
    assert shown[-1] == table.values[-1, 60]
    assert np.isnan(shown).any(), "silences have no line"
    first, last = int(table.ts_ns[0]), int(table.ts_ns[-1])
    for row in range(len(table)):
        place = (int(table.ts_ns[row]) - first) * SLICES // (last - first + 1)
        assert not np.isnan(shown[place])


def test_a_tape_that_cannot_be_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--tape", str(tmp_path)]) == 2
    assert "not a tape" in capsys.readouterr().err
