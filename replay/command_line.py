"""The options of the `replay` verb, apart from what it runs: a command line is parsed without loading a kernel."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options to the parser of `replay`."""
    parser.add_argument("run_folder", metavar="RUN", help="folder of a run (runs/...)")
    parser.add_argument(
        "--verify", action="store_true", required=True,
        help="compute vectors, decisions and orders again from what the run recorded; exit 0, or the first difference",
    )  # fmt: skip
