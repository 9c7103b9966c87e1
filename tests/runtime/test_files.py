"""Replacing a file that others read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runtime import files
from runtime.files import replace_file


def test_the_new_content_stands_in_the_place_of_the_old(tmp_path: Path) -> None:
    old, new = tmp_path / "pointer", tmp_path / "pointer.new"
    old.write_text("old", encoding="utf-8")
    new.write_text("new", encoding="utf-8")
    replace_file(new, old)
    assert old.read_text(encoding="utf-8") == "new"
    assert not new.exists()


def test_a_reader_that_goes_away_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = tmp_path / "pointer", tmp_path / "pointer.new"
    new.write_text("new", encoding="utf-8")
    replace, refusals = os.replace, [PermissionError(13, "in use")] * 3

    def in_use_at_first(source: Path, target: Path) -> None:
        if refusals:
            raise refusals.pop()
        replace(source, target)

    monkeypatch.setattr(os, "replace", in_use_at_first)
    replace_file(new, old)
    assert refusals == [] and old.read_text(encoding="utf-8") == "new"


def test_a_file_that_stays_in_use_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def in_use(source: Path, target: Path) -> None:
        raise PermissionError(13, "in use")

    monkeypatch.setattr(os, "replace", in_use)
    monkeypatch.setattr(files, "PATIENCE_NS", 20_000_000)
    with pytest.raises(PermissionError, match="in use"):
        replace_file(tmp_path / "a", tmp_path / "b")
