"""The `report` verb: hands over, prints, writes the picture. 0 told, 2 there is nothing to report on."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from replay.calibration import ReportError, calibrate_run
from replay.calibration_text import as_svg, as_text


def run(arguments: argparse.Namespace) -> int:
    """arguments: report (calibration), run_folder, svg."""
    folder = Path(arguments.run_folder)
    try:
        found = calibrate_run(folder)
        if arguments.svg:
            Path(arguments.svg).write_text(as_svg(found, f"calibration of {folder.name}"), encoding="utf-8")
    except (ReportError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write(as_text(found))
    return 0
