"""From tape to bundle: finds what is there, is honest about what is not, and gives the same bytes again."""

from __future__ import annotations

import argparse
from pathlib import Path

import lightgbm
import numpy as np
import pytest
import xgboost

from config.load import load as load_config
from models.bundle import LIGHTGBM_FILE, XGBOOST_FILE, open_bundle
from models.training.commands import run
from models.training.dataset import TrainingError, load
from models.training.train import train
from shm.kernel_cache import PROJECT
from tape.importer import import_tape
from tape.reader import Tape
from tests.captures import folder as capture
from tests.models.markets import config, leading_flow, write_tape


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tape(tmp_path_factory.mktemp("market") / "tape", *leading_flow(4000, 1))


@pytest.fixture(scope="module")
def bundle(tape: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "bundle"
    train(tape, out, config())
    return out


def test_it_finds_flow_that_leads(bundle: Path) -> None:
    header = open_bundle(bundle).header
    assert header.skill
    pooled = header.metrics["pooled"]
    assert pooled["auc_up"] > 0.65
    assert pooled["auc_down"] > 0.65
    assert pooled["log_loss"] < pooled["log_loss_base_rate"]
    assert header.instrument.symbol == "LEAD"
    assert header.training["rows"] > header.training["independent_labels"] > 100
    assert sum(header.training["classes"].values()) == header.training["rows"]


def test_the_same_tape_gives_the_same_bytes(tape: Path, bundle: Path, tmp_path: Path) -> None:
    train(tape, tmp_path / "again", config())
    assert sorted(path.name for path in bundle.iterdir()) == ["bundle.json", LIGHTGBM_FILE, XGBOOST_FILE]
    for path in bundle.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_the_bundle_answers_as_the_libraries_do(tape: Path, bundle: Path) -> None:
    opened = open_bundle(bundle)
    data = load(Tape.open(tape), config())
    columns = [column.index for column in opened.header.columns]
    chosen = np.ascontiguousarray(data.values[:, columns])
    names = [column.name for column in opened.header.columns]
    extreme = xgboost.Booster(model_file=bundle / XGBOOST_FILE)
    light = lightgbm.Booster(model_file=bundle / LIGHTGBM_FILE)
    expected = (extreme.predict(xgboost.DMatrix(chosen, feature_names=names)) + light.predict(chosen)) / 2
    found = np.array([opened.probabilities(row) for row in data.values])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_a_market_without_a_lead_is_called_that(tmp_path: Path) -> None:
    tape = write_tape(tmp_path / "tape", *leading_flow(3000, 2, led=False))
    trained = train(tape, tmp_path / "bundle", config(), rounds=20)
    pooled = trained.header.metrics["pooled"]
    assert abs(pooled["auc_up"] - 0.5) < 0.12
    assert abs(pooled["log_loss"] - pooled["log_loss_base_rate"]) < 0.05
    said = "NO SKILL" in "\n".join(trained.lines)
    assert said is not trained.header.skill


def test_too_little_of_a_class_is_an_error(tmp_path: Path) -> None:
    trades, book = leading_flow(1500, 3)
    book["bid_price"][:] = book["bid_price"][0]
    book["ask_price"][:] = book["ask_price"][0]
    tape = write_tape(tmp_path / "tape", trades, book)
    with pytest.raises(TrainingError, match=r"too few rows of a class \(down 0, flat \d+, up 0; each needs 50\)"):
        train(tape, tmp_path / "bundle", config())
    assert not (tmp_path / "bundle").exists()


def test_the_verb_turns_errors_into_a_line(tmp_path: Path, bundle: Path, tape: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(argparse.Namespace(tape=str(tmp_path), out=str(tmp_path / "x")), config()) == 2
    assert "not a tape" in capsys.readouterr().err
    assert run(argparse.Namespace(tape=str(tape), out=str(bundle)), config()) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_real_hour_trains_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    source = capture("es_2023-12-25")
    import_tape(source / "trades.parquet", source / "book.parquet", tmp_path / "tape", "ES", 0.25, timezone="UTC")
    settings = load_config(PROJECT / "config" / "es.toml")
    assert run(argparse.Namespace(tape=str(tmp_path / "tape"), out=str(tmp_path / "bundle")), settings) == 0
    said = capsys.readouterr().out
    assert "out of sample, walk forward, 4 folds" in said
    opened = open_bundle(tmp_path / "bundle")
    opened.check_instrument(settings.instruments[0])
    assert ("NO SKILL" in said) is not opened.header.skill
