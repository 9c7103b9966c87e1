"""The options of the `journal` verb, apart from what it runs: a command line is parsed without loading a kernel."""

from __future__ import annotations

import argparse

from execution.events import Input, Output

KINDS = tuple(sorted(kind.__name__ for kind in (*Input.__args__, *Output.__args__)))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("journal", metavar="RUN|FILE", help="folder of a run, or the file itself")
    parser.add_argument("--kind", action="append", metavar="KIND", help=f"only these kinds: {', '.join(KINDS)}")
    parser.add_argument("--order", type=int, metavar="N", help="only records of this order of ours")
    parser.add_argument("--verify", action="store_true", help="only the verdict")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
