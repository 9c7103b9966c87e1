"""Training from tape to bundle: walk forward for the figures, then all rows for the model that is kept.

Nothing in a bundle depends on when or where it was trained, so the same tape gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from config.schema import Config
from models.bundle import BundleColumn, BundleHeader, BundleInstrument, write_bundle
from models.contract import CLASSES, FEATURE_NAMES
from models.training import fit as fitting
from models.training.dataset import Dataset, TrainingError, load
from models.training.report import OutOfSample, describe, has_skill, measure
from models.training.splits import walk_forward
from models.training.weights import uniqueness
from tape.reader import Tape
from tape.verify import check

Array = np.ndarray[Any, Any]

FOLDS = 4
SEED = 20_240_101
SMALLEST_CLASS = 50  # rows


@dataclass(frozen=True)
class Trained:
    """What came out."""

    header: BundleHeader
    lines: tuple[str, ...]  # for a person


def train(tape_folder: str | Path, out: str | Path, config: Config, rounds: int = fitting.ROUNDS) -> Trained:
    """Train on a tape and write a bundle. Raises TapeError, TrainingError, BundleError."""
    tape = Tape.open(tape_folder)
    if problems := check(tape.trades(), tape.book(), tape.candles(), len(tape.instruments)):
        raise TrainingError(f"the tape {tape_folder} is damaged: {problems[0]}; see `tape info`")
    data = load(tape, config)
    counts = np.bincount(data.label, minlength=len(CLASSES))
    if counts.min() < SMALLEST_CLASS:
        shares = ", ".join(f"{name} {count}" for name, count in zip(CLASSES, counts, strict=True))
        raise TrainingError(
            f"{tape.folder}: too few rows of a class ({shares}; each needs {SMALLEST_CLASS}): "
            "take a longer tape, or another models.horizon_ms"
        )
    folds = evaluate(data, rounds)
    pooled = measure(_joined(folds))
    each = [measure(fold) for fold in folds]
    skill = has_skill(pooled, each)
    weight = uniqueness(data.ts_ns, data.label_end_ns)
    fitted = fitting.fit(data.values, data.label, weight, data.columns, SEED, rounds)
    header = _header(data, tape, counts.tolist(), {"pooled": pooled, "folds": each}, skill, rounds)
    header = write_bundle(Path(out), header, fitted.files)
    first = (
        f"{data.instrument.symbol}: {len(data)} rows (about {weight.sum():.0f} independent labels), "
        f"horizon {config.models.horizon_ms} ms, "
        f"{len(data.columns)} features, needs {', '.join(data.needs) or 'no family'}"
    )
    return Trained(header, (first, *describe(pooled, each, skill)))


def evaluate(data: Dataset, rounds: int, folds: int = FOLDS) -> list[OutOfSample]:
    """Fit on the past of each block, judge the block. Raises TrainingError if a past lacks a class."""
    found = []
    for number, fold in enumerate(walk_forward(data.ts_ns, data.label_end_ns, folds, data.horizon_ns), 1):
        shares = np.bincount(data.label[fold.train], minlength=len(CLASSES)) / max(1, len(fold.train))
        if not shares.all():
            lacking = ", ".join(name for name, share in zip(CLASSES, shares, strict=True) if not share)
            raise TrainingError(f"fold {number}: no row of class {lacking} before its test block; take a longer tape")
        weight = uniqueness(data.ts_ns[fold.train], data.label_end_ns[fold.train])
        fitted = fitting.fit(data.values[fold.train], data.label[fold.train], weight, data.columns, SEED, rounds)
        found.append(
            OutOfSample(
                ts_ns=data.ts_ns[fold.test],
                probabilities=fitted.probabilities(data.values[fold.test]),
                base_rates=np.tile(shares, (len(fold.test), 1)),
                label=data.label[fold.test],
                mark_out_ticks=data.mark_out_ticks[fold.test],
                spread_ticks=data.spread_ticks[fold.test],
                fees_ticks=data.fees_ticks,
                horizon_ns=data.horizon_ns,
            )
        )
    return found


def _joined(folds: list[OutOfSample]) -> OutOfSample:
    arrays = ("ts_ns", "probabilities", "base_rates", "label", "mark_out_ticks", "spread_ticks")
    joined = {name: np.concatenate([getattr(fold, name) for fold in folds]) for name in arrays}
    return OutOfSample(**joined, fees_ticks=folds[0].fees_ticks, horizon_ns=folds[0].horizon_ns)


def _header(
    data: Dataset, tape: Tape, counts: list[int], metrics: dict[str, Any], skill: bool, rounds: int
) -> BundleHeader:
    columns = zip(data.columns, data.may_be_missing, strict=True)
    return BundleHeader(
        instrument=BundleInstrument.of(data.instrument),
        horizon_ms=data.horizon_ns // 1_000_000,
        columns=tuple(BundleColumn(index=i, name=FEATURE_NAMES[i], may_be_missing=missing) for i, missing in columns),
        needs=data.needs,
        label={
            "cost": "half the spread at the time + the fees of both sides, ticks",
            "fees_ticks": data.fees_ticks,
            "spread_ticks_mean": float(data.spread_ticks.mean()),
        },
        training={
            "tape_origin": tape.origin,
            "first_ts_ns": int(data.ts_ns[0]),
            "last_label_ts_ns": int(data.label_end_ns[-1]),
            "sessions": data.sessions,
            "rows": len(data),
            "independent_labels": float(uniqueness(data.ts_ns, data.label_end_ns).sum()),
            "classes": dict(zip(CLASSES, counts, strict=True)),
            "seed": SEED,
            "rounds": rounds,
            "xgboost": fitting.XGBOOST_SETTINGS,
            "lightgbm": fitting.LIGHTGBM_SETTINGS,
            "versions": fitting.library_versions(),
        },
        metrics=metrics,
        skill=skill,
        files={},
    )
