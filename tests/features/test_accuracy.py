"""The largest errors on the captures stay within the contract's tolerance; docs/accuracy.md shows all features."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.registry import NAMES
from tests import captures
from tests.features.accuracy import CAPTURES, POINTS, Worst, document, measure

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "accuracy.md"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", CAPTURES)
def test_errors_at_random_points(name: str) -> None:
    worst = measure(captures.folder(name), POINTS)
    assert {feature: one.of_tolerance for feature, one in worst.items() if one.of_tolerance > 1.0} == {}
    assert sum(one.defined > 0 for one in worst.values()) >= 45


def test_the_document_has_every_feature_within_its_tolerance() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    rows = [
        line.split("|") for line in text.splitlines() if line.startswith("| ") and line.split("|")[1].strip().isdigit()
    ]
    assert [row[2].strip() for row in rows] == list(NAMES)
    assert all(float(row[-2]) <= 1.0 for row in rows)
    shown = document({capture: {name: Worst() for name in NAMES} for capture in CAPTURES})
    assert text.splitlines()[:9] == shown.splitlines()[:9]
