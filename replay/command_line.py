"""The options of the verbs `replay` and `report`, apart from what it runs: a command line is parsed without loading a kernel."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options to the parser of `replay`."""
    parser.add_argument("run_folder", metavar="RUN", help="folder of a run (runs/...)")
    parser.add_argument(
        "--verify", action="store_true", required=True,
        help="compute vectors, decisions and orders again from what the run recorded; exit 0, or the first difference",
    )  # fmt: skip


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the reports to the parser of `report`."""
    reports = parser.add_subparsers(dest="report", required=True, metavar="REPORT")
    calibration = reports.add_parser(
        "calibration", help="what each source's word was worth: hit rates, reliability, its part of the profit"
    )
    calibration.add_argument("run_folder", metavar="RUN", help="folder of a run (runs/...)")
    calibration.add_argument("--svg", metavar="FILE", help="write the reliability curves as a picture too")
