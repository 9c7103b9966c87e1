"""From vectors to opinions, and when they are told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.bundle import open_bundle
from models.cadence import Cadence
from models.contract import ready_mask
from models.predictor import Predictor, opinion_of
from tests.models.vectors import fitted, make_bundle, random_rows, vector

SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor(open_bundle(make_bundle(tmp_path_factory.mktemp("bundle") / "model")))


def test_direction_times_confidence_is_the_edge(predictor: Predictor) -> None:
    rows = random_rows(60, 3, missing=0.0)
    for row, (down, _, up) in zip(rows, fitted().probabilities(rows), strict=True):
        opinion = predictor.judge(vector(row, 1)[0])
        assert opinion.abstains == ""
        assert opinion.direction * opinion.confidence == pytest.approx(up - down, abs=1e-12)
        assert opinion.confidence == pytest.approx(up + down)


@given(st.floats(0, 1), st.floats(0, 1))
def test_opinions_stay_in_range(down: float, up: float) -> None:
    total = down + up or 1.0
    opinion = opinion_of(down / max(1.0, total), up / max(1.0, total))
    assert -1.0 <= opinion.direction <= 1.0
    assert 0.0 <= opinion.confidence <= 1.0


def test_it_is_silent_when_a_needed_family_is_cold(predictor: Predictor) -> None:
    row = random_rows(1, 1, missing=0.0)[0]
    assert predictor.judge(vector(row, 1, ready=ready_mask(("returns",)) | 1 << 16)[0]).abstains == (
        "order_flow not ready (warming)"
    )
    assert predictor.judge(vector(row, 1, ready=ready_mask(("returns", "order_flow")))[0]).abstains == ""


def test_it_is_silent_on_a_column_that_training_never_missed(predictor: Predictor) -> None:
    row = random_rows(1, 1, missing=0.0)[0]
    row[10] = np.nan
    assert predictor.judge(vector(row, 1)[0]).abstains == ""
    row[64] = np.nan
    assert predictor.judge(vector(row, 1)[0]).abstains == "log_seconds_since_trade is not defined"


def test_predictions_go_by_market_time() -> None:
    cadence = Cadence(100)
    assert [ts for ts in (1000, 1050, 1099, 1100, 1150, 1350, 1450, 1449) if cadence.prediction_due(ts)] == [
        1000,
        1100,
        1350,
        1450,
    ]


def test_abstentions_are_told_when_new_and_then_once_a_second() -> None:
    cadence = Cadence(100)
    assert cadence.abstention_due("cold", 0)
    assert not cadence.abstention_due("cold", SECOND - 1)
    assert cadence.abstention_due("cold", SECOND)
    assert cadence.abstention_due("features is failed", SECOND + 1)
    assert not cadence.abstention_due("features is failed", SECOND + 2)
    cadence.voted()
    assert cadence.abstention_due("features is failed", SECOND + 3), "after a vote it is news again"
    assert cadence.abstention_due("features has not beaten for 1100 ms", SECOND + 4)
    assert not cadence.abstention_due("features has not beaten for 1150 ms", SECOND + 5)
