"""The `train` verb: hands over, prints, and turns errors into one line."""

from __future__ import annotations

import argparse
import importlib.util
import sys

from config.schema import Config
from models.bundle import BundleError
from models.training.dataset import TrainingError
from tape.format import TapeError

LIBRARIES = ("xgboost", "lightgbm")


def run(arguments: argparse.Namespace, config: Config) -> int:
    """arguments: tape, out. 0 a bundle was written, 2 it could not be (the reason is on stderr)."""
    if missing := [name for name in LIBRARIES if importlib.util.find_spec(name) is None]:
        sys.stderr.write(f'training needs {" and ".join(missing)}: pip install -e ".[tools]"\n')
        return 2
    from models.training.train import train

    try:
        trained = train(arguments.tape, arguments.out, config)
    except (TapeError, TrainingError, BundleError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write("".join(f"{line}\n" for line in (*trained.lines, f"bundle written to {arguments.out}")))
    return 0
