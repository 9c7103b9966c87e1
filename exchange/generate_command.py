"""The verb `tape generate`: reads the configuration, has the tape made, says what it holds."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from config.load import load
from exchange.episodes import BadSchedule
from exchange.generated_tape import generate_tape
from exchange.ground_truth import FILE_NAME
from tape.format import TapeError

MAX_MINUTES = 366 * 24 * 60
FIRST_YEAR, LAST_YEAR = 1971, 2200  # int64 ns hold them, with room for a year of minutes


def run(arguments: argparse.Namespace, say: Callable[[str], None], complain: Callable[[str], None]) -> int:
    """0 the tape is made, 2 it cannot be (the reason was said)."""
    overrides: dict[str, Any] = {} if arguments.seed is None else {"exchange": {"seed": arguments.seed}}
    try:
        if not 0 < arguments.minutes <= MAX_MINUTES:
            raise ValueError(f"--minutes {arguments.minutes} is not a number above 0, of at most {MAX_MINUTES}")
        day = date.fromisoformat(arguments.day)
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise ValueError(f"--day {day}: the year is not one of {FIRST_YEAR} to {LAST_YEAR}")
        config = load(Path(arguments.config) if arguments.config else None, overrides)
        made = generate_tape(config, Path(arguments.out), day, arguments.minutes)
    except (TapeError, BadSchedule, ValueError) as error:
        complain(str(error))
        return 2
    say(f"{made.folder}: {made.trades} trades, {made.books} books")
    say(f"{made.folder / FILE_NAME}: {made.episodes} episodes" if made.episodes else "no episode was planted")
    return 0
