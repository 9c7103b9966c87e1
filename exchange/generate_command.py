"""The verb `tape generate`: reads the configuration, has the tape made, says what it holds."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from config.load import load
from exchange.episodes import BadSchedule
from exchange.generated_tape import generate_tape
from exchange.ground_truth import FILE_NAME
from tape.format import TapeError


def run(arguments: argparse.Namespace, say: Callable[[str], None], complain: Callable[[str], None]) -> int:
    """0 the tape is made, 2 it cannot be (the reason was said)."""
    overrides: dict[str, Any] = {} if arguments.seed is None else {"exchange": {"seed": arguments.seed}}
    try:
        if not (math.isfinite(arguments.minutes) and arguments.minutes > 0):
            raise ValueError(f"--minutes {arguments.minutes} is not a number above 0")
        day = date.fromisoformat(arguments.day)
        config = load(Path(arguments.config) if arguments.config else None, overrides)
        made = generate_tape(config, Path(arguments.out), day, arguments.minutes)
    except (TapeError, BadSchedule, ValueError) as error:
        complain(str(error))
        return 2
    say(f"{made.folder}: {made.trades} trades, {made.books} books")
    say(f"{made.folder / FILE_NAME}: {made.episodes} episodes" if made.episodes else "no episode was planted")
    return 0
