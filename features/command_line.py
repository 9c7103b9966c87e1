"""The options of the `features` verb, apart from what it runs: a command line is parsed without loading a kernel."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options to the parser of `features`."""
    parser.add_argument("--tape", required=True, metavar="DIR")
    parser.add_argument("--out", required=True, metavar="FILE", help="Parquet file to write; replaced when it exists")
    parser.add_argument("--config", metavar="FILE", help="TOML; default: what the tape's header says of the instrument")
    parser.add_argument("--symbol", metavar="NAME", help="which instrument, when there is more than one")
    parser.add_argument("--bar-seconds", type=int, metavar="N", help="length of a bar (default 60)")
    parser.add_argument("--open", metavar="HH:MM", help="local time at which the session opens (default 09:00)")
    parser.add_argument("--close", metavar="HH:MM", help="and closes; 24:00 is a whole day's end (default 18:00)")
    parser.add_argument("--tz", metavar="NAME", help="time zone of the session")
