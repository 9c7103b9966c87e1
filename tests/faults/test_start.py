"""Faults that are there before the market starts, by a scenario file: history without trades, and a key in use."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.families import ABSENT_HISTORY
from runtime.stage import Refusal
from tests.faults.rig import Pipeline, config_of


def scenario(folder: Path, text: str) -> str:
    path = folder / "faults.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(("fault", "counter"), [("history_empty", "history_empty"), ("history_stuck", "history_failures")])
def test_a_start_without_history_says_so_in_every_vector(tmp_path: Path, fault: str, counter: str) -> None:
    pipeline = Pipeline(config_of(scenario=scenario(tmp_path, f"[[fault]]\nname = '{fault}'\n")))
    try:
        pipeline.open()
        assert pipeline.count(counter) == 1 and pipeline.count("history_bars") == 0
        pipeline.until(lambda: pipeline.ready() & ABSENT_HISTORY, "vectors that say so")
        assert len(pipeline.gaps()) == 0
    finally:
        pipeline.close()


def test_a_key_that_is_in_use_refuses_the_start_with_the_mend(tmp_path: Path) -> None:
    pipeline = Pipeline(config_of(scenario=scenario(tmp_path, "[[fault]]\nname = 'key_taken'\nfor_s = 60\n")))
    try:
        with pytest.raises(Refusal, match=r"login"):
            pipeline.open()
    finally:
        pipeline.close()
