"""A trained model as a folder: what it is, what it needs, how well it did, and its two forests.

    bundle.json     everything below, with the SHA-256 of the other files
    xgboost.json    XGBoost's own model file
    lightgbm.txt    LightGBM's own model file

A bundle is read whole or refused: a missing file, a changed byte, another vector, another instrument are errors that
name what differs. It is written once, by training, into a folder that did not exist.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from config.schema import Instrument
from models.contract import CLASSES, FAMILIES, FEATURE_NAMES, VECTOR_HASH
from models.forest import Forest, ForestError
from models.lightgbm_file import parse_lightgbm
from models.xgboost_file import parse_xgboost

FORMAT_NAME = "quantumtrader model bundle"
FORMAT_VERSION = 1
BUNDLE_FILE = "bundle.json"
XGBOOST_FILE = "xgboost.json"
LIGHTGBM_FILE = "lightgbm.txt"
MODEL_FILES = (XGBOOST_FILE, LIGHTGBM_FILE)


class BundleError(Exception):
    """A bundle that cannot be used; the message names the path and the reason."""


class BundleInstrument(msgspec.Struct, frozen=True, kw_only=True):
    """What the features were computed for. All of it changes their values, so all of it must fit."""

    symbol: str
    tick: float
    lot: float
    bar_seconds: int
    session_open: str
    session_close: str
    timezone: str

    @classmethod
    def of(cls, instrument: Instrument) -> BundleInstrument:
        return cls(**{name: getattr(instrument, name) for name in cls.__struct_fields__})


class BundleColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column that the model was trained on."""

    index: int  # in the vector
    name: str
    may_be_missing: bool  # it was NaN in some training rows, so the model knows what to make of that


class BundleHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The content of bundle.json."""

    format: str = FORMAT_NAME
    version: int = FORMAT_VERSION
    vector: str = VECTOR_HASH
    classes: tuple[str, ...] = CLASSES
    instrument: BundleInstrument
    horizon_ms: Annotated[int, Meta(ge=1)]
    columns: Annotated[tuple[BundleColumn, ...], Meta(min_length=1)]
    needs: tuple[str, ...]  # families that must be ready
    label: dict[str, Any]  # how the classes were made: cost in ticks and its parts
    training: dict[str, Any]  # tape, span, rows, classes, settings, library versions
    metrics: dict[str, Any]  # out of sample, walk forward
    skill: bool  # whether it was better than the base rate out of sample
    files: dict[str, str]  # name -> SHA-256


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read and verified."""

    folder: Path
    header: BundleHeader
    forests: tuple[Forest, ...]  # XGBoost's, LightGBM's

    def probabilities(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Mean probability of down, flat and up over the forests, float64[3]. values: float64[65], contiguous."""
        return sum((forest.probabilities(values) for forest in self.forests), np.zeros(len(CLASSES))) / len(self.forests)

    def check_instrument(self, instrument: Instrument) -> None:
        """Raises BundleError, naming what differs, if the model was not trained for this instrument."""
        trained = msgspec.structs.asdict(self.header.instrument)
        differs = [
            f"{name} is {getattr(instrument, name)}, the bundle's {value}"
            for name, value in trained.items()
            if getattr(instrument, name) != value
        ]
        if differs:
            raise BundleError(f"{self.folder}: not for {instrument.symbol}: {'; '.join(differs)}; train one for it")

    def missing(self, values: np.ndarray[Any, Any]) -> str:
        """The first column that is NaN though it never was in training; empty when there is none."""
        for column in self.header.columns:
            if not column.may_be_missing and np.isnan(values[column.index]):
                return column.name
        return ""


def open_bundle(folder: Path) -> Bundle:
    """Read and verify a bundle. Raises BundleError."""
    header = _read_header(folder)
    texts = {name: _read_verified(folder / name, header.files.get(name)) for name in MODEL_FILES}
    names = tuple(column.name for column in header.columns)
    places = tuple(column.index for column in header.columns)
    forests = []
    for name, parse in ((XGBOOST_FILE, parse_xgboost), (LIGHTGBM_FILE, parse_lightgbm)):
        try:
            forests.append(parse(texts[name].decode("utf-8"), names, places, len(CLASSES)))
        except (ForestError, UnicodeDecodeError) as error:
            raise BundleError(f"{folder / name}: {error}") from error
    return Bundle(folder, header, tuple(forests))


def _read_header(folder: Path) -> BundleHeader:
    path = folder / BUNDLE_FILE
    try:
        header = msgspec.json.decode(path.read_bytes(), type=BundleHeader)
    except FileNotFoundError as error:
        raise BundleError(f"{folder}: not a model bundle (no {BUNDLE_FILE}); `train` writes one") from error
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error}") from error
    except msgspec.DecodeError as error:
        raise BundleError(f"{path}: not a bundle header: {error}") from error
    if (header.format, header.version) != (FORMAT_NAME, FORMAT_VERSION):
        raise BundleError(
            f"{path}: {header.format!r} version {header.version}; this build reads {FORMAT_NAME!r} {FORMAT_VERSION}"
        )
    if header.classes != CLASSES:
        raise BundleError(f"{path}: tells apart {', '.join(header.classes)}, not {', '.join(CLASSES)}")
    if header.vector != VECTOR_HASH:
        raise BundleError(f"{path}: trained on another feature vector (hash {header.vector[:12]}); train it again")
    for column in header.columns:
        if not 0 <= column.index < len(FEATURE_NAMES) or FEATURE_NAMES[column.index] != column.name:
            raise BundleError(f"{path}: column {column.index} is not {column.name}; train it again")
    if unknown := set(header.needs) - set(FAMILIES):
        raise BundleError(f"{path}: needs unknown feature families: {', '.join(sorted(unknown))}")
    return header


def _read_verified(path: Path, expected: str | None) -> bytes:
    if expected is None:
        raise BundleError(f"{path}: the bundle has no hash of it")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error}") from error
    if (found := hashlib.sha256(data).hexdigest()) != expected:
        raise BundleError(f"{path}: was changed after training (SHA-256 {found[:12]}, not {expected[:12]})")
    return data


def write_bundle(folder: Path, header: BundleHeader, files: dict[str, bytes]) -> BundleHeader:
    """Write a new bundle; returns the header with the hashes. It appears under its name only when it is whole.

    Raises BundleError if the folder exists or cannot be written.
    """
    if set(files) != set(MODEL_FILES):
        raise ValueError(f"a bundle has the files {', '.join(MODEL_FILES)}, not {', '.join(files)}")
    if folder.exists():
        raise BundleError(f"{folder}: exists already; a bundle is never written over")
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    header = msgspec.structs.replace(header, files=hashes)
    temporary = folder.with_name(f"{folder.name}.training-{os.getpid()}")
    try:
        temporary.mkdir(parents=True)
        for name, data in (files | {BUNDLE_FILE: msgspec.json.format(msgspec.json.encode(header), indent=2)}).items():
            with open(temporary / name, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        os.rename(temporary, folder)
    except OSError as error:
        raise BundleError(f"{folder}: cannot be written: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return header
