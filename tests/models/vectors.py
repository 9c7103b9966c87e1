"""Made vectors, models and bundles for the tests of models."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from config.schema import Instrument
from models.bundle import BundleColumn, BundleHeader, BundleInstrument, write_bundle
from models.contract import FAMILIES, FEATURE_NAMES, ready_mask
from models.training.fit import Fitted, fit
from shm.layouts import FEATURE, FEATURE_COUNT, KIND_BOOK

Array = np.ndarray[Any, Any]

COLUMNS = (10, 20, 23, 27, 64)
ALL_READY = ready_mask(FAMILIES)
INSTRUMENT = Instrument(
    symbol="WDOFUT", tick=0.5, point_value=10.0, session_open="09:00", session_close="18:30", fee_per_contract=0.6
)


def random_rows(count: int, seed: int, missing: float = 0.2) -> Array:
    """float64[count, 65] with NaN, zeros and values that repeat."""
    source = np.random.default_rng(seed)
    rows = source.normal(size=(count, FEATURE_COUNT)).round(2)
    rows[source.random(rows.shape) < 0.1] = 0.0
    rows[source.random(rows.shape) < missing] = np.nan
    return rows


def learnable(count: int, seed: int) -> tuple[Array, Array]:
    """Rows and labels that depend on columns 10 and 20."""
    rows = random_rows(count, seed)
    noise = np.random.default_rng(seed + 1).normal(size=count)
    drive = np.nan_to_num(rows[:, 10]) - np.nan_to_num(rows[:, 20]) + 0.5 * noise
    return rows, np.digitize(drive, [-0.7, 0.7]).astype(np.int64)


@lru_cache(maxsize=4)
def fitted(seed: int = 1) -> Fitted:
    rows, label = learnable(600, seed)
    return fit(rows, label, np.ones(len(label)), COLUMNS, seed, rounds=12)


def header(needs: tuple[str, ...] = ("returns", "order_flow"), **changes: Any) -> BundleHeader:
    fields: dict[str, Any] = {
        "instrument": BundleInstrument.of(INSTRUMENT),
        "horizon_ms": 5000,
        "columns": tuple(BundleColumn(index=i, name=FEATURE_NAMES[i], may_be_missing=i != 64) for i in COLUMNS),
        "needs": needs,
        "label": {},
        "training": {},
        "metrics": {},
        "skill": True,
        "files": {},
    }
    return BundleHeader(**(fields | changes))


def make_bundle(folder: Path, **changes: Any) -> Path:
    write_bundle(folder, header(**changes), fitted().files)
    return folder


def vector(values: Array, ts_ns: int, ingest_seq: int = 1, ready: int = ALL_READY, symbol: int = 0) -> Array:
    """One FEATURE record, shape (1,)."""
    record = np.zeros(1, FEATURE)
    record["values"] = values
    record["ts_ns"], record["ingest_seq"], record["ready"] = ts_ns, ingest_seq, ready
    record["symbol"], record["kind"] = symbol, KIND_BOOK
    return record
