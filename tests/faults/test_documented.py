"""The page of faults names every fault, and every test that it names is there."""

from __future__ import annotations

import re

from exchange.faults.table import BY_NAME
from tests.processes import PROJECT

PAGE = (PROJECT / "docs" / "faults.md").read_text(encoding="utf-8")


def test_every_fault_stands_in_a_row() -> None:
    rows = set(re.findall(r"^\| `(\w+)", PAGE, re.MULTILINE))
    assert rows == set(BY_NAME)


def test_every_test_that_is_named_is_there() -> None:
    named = set(re.findall(r"`(\w+/test_\w+\.py)`", PAGE))
    assert len(named) > 6
    assert not [name for name in named if not (PROJECT / "tests" / name).is_file()]
