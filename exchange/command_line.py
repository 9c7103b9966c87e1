"""The options of the `exchange` verb, apart from what it runs: a command line is parsed without loading a kernel."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options to the parser of `exchange`; --config, --tape and --speed are the supervisor's."""
    parser.add_argument("--port", type=int, metavar="N", help="port on 127.0.0.1 (default: exchange.port, 0: any free)")
    parser.add_argument("--wait", action="store_true", help="the market stands still until a client has logged in")
    parser.add_argument("--json", action="store_true", help="say where it listens as one JSON object")
