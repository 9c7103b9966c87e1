"""Bundles: whole or refused, and never for another market."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from models.bundle import BUNDLE_FILE, MODEL_FILES, BundleError, open_bundle, write_bundle
from tests.models.vectors import COLUMNS, INSTRUMENT, fitted, header, make_bundle, random_rows


def test_round_trip(tmp_path: Path) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "model"))
    assert bundle.header.horizon_ms == 5000
    assert bundle.header.needs == ("returns", "order_flow")
    rows = random_rows(40, 1)
    expected = fitted().probabilities(rows)
    np.testing.assert_allclose([bundle.probabilities(row) for row in rows], expected, rtol=0, atol=1e-15)
    bundle.check_instrument(INSTRUMENT)


def test_the_first_undefined_column_is_named(tmp_path: Path) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "model"))
    values = np.zeros(65)
    values[COLUMNS[0]] = np.nan  # was missing in training too
    assert bundle.missing(values) == ""
    values[64] = np.nan
    assert bundle.missing(values) == "log_seconds_since_trade"


@pytest.mark.parametrize("name", MODEL_FILES)
@pytest.mark.parametrize("place", [0, 100, -1])
def test_a_changed_byte_is_noticed(tmp_path: Path, name: str, place: int) -> None:
    path = make_bundle(tmp_path / "model") / name
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError, match=f"{name}: was changed after training"):
        open_bundle(tmp_path / "model")


@pytest.mark.parametrize("name", [*MODEL_FILES, BUNDLE_FILE])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (make_bundle(tmp_path / "model") / name).unlink()
    with pytest.raises(BundleError, match=name):
        open_bundle(tmp_path / "model")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "'other' version 1; this build reads"),
        ({"version": 2}, "version 2; this build reads"),
        ({"vector": "0" * 64}, "trained on another feature vector"),
        ({"classes": ["down", "up"]}, "tells apart down, up, not down, flat, up"),
        ({"needs": ["magic"]}, "needs unknown feature families: magic"),
        ({"horizon_ms": 0}, "not a bundle header"),
        ({"columns": []}, "not a bundle header"),
        ({"columns": [{"index": 1, "name": "minute", "may_be_missing": True}]}, "column 1 is not minute"),
        ({"columns": [{"index": 65, "name": "minute", "may_be_missing": True}]}, "column 65 is not minute"),
        ({"files": {}}, r"xgboost\.json: the bundle has no hash of it"),
    ],
)
def test_headers_that_do_not_fit(tmp_path: Path, change: dict, message: str) -> None:
    path = make_bundle(tmp_path / "model") / BUNDLE_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BundleError, match=message):
        open_bundle(tmp_path / "model")


def test_columns_other_than_the_models_are_refused(tmp_path: Path) -> None:
    columns = header().columns
    path = make_bundle(tmp_path / "model", columns=(*columns[:-2], columns[-1], columns[-2]))
    with pytest.raises(BundleError, match="feature names are not those of the bundle"):
        open_bundle(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tick": 5.0}, "tick is 5.0, the bundle's 0.5"),
        ({"symbol": "WINFUT", "bar_seconds": 5}, "not for WINFUT: symbol is WINFUT, the bundle's WDOFUT; bar_seconds is 5"),
        ({"session_close": "18:00"}, "session_close is 18:00, the bundle's 18:30"),
    ],
)
def test_another_instrument_is_refused(tmp_path: Path, change: dict, message: str) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "model"))
    with pytest.raises(BundleError, match=message):
        bundle.check_instrument(msgspec.structs.replace(INSTRUMENT, **change))


def test_what_does_not_change_the_features_may_differ(tmp_path: Path) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "model"))
    bundle.check_instrument(msgspec.structs.replace(INSTRUMENT, order_symbol="WDOZ26", fee_per_contract=1.0))


def test_a_bundle_is_never_written_over_nor_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_bundle(tmp_path / "model")
    with pytest.raises(BundleError, match="exists already"):
        make_bundle(folder)
    with pytest.raises(ValueError, match="a bundle has the files"):
        write_bundle(tmp_path / "other", header(), {})

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BundleError, match=r"second: cannot be written: .*No space left"):
        make_bundle(tmp_path / "second")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not a model bundle"):
        open_bundle(tmp_path / "nothing")
