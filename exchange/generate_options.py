"""The options of `tape generate`, apart from what it runs: a command line is parsed without loading a kernel."""

from __future__ import annotations

from typing import Any

DAY = "2026-03-02"  # a Monday; fixed, so that the same command makes the same tape on any day


def add_arguments(verbs: Any) -> None:
    """Add `generate` to the verbs of `tape`."""
    make = verbs.add_parser("generate", help="make a tape from the generated market, with its ground truth")
    make.add_argument("out", metavar="DIR", help="the new tape's folder; must not exist")
    make.add_argument("--config", metavar="FILE", help="TOML; default: the embedded paper market")
    make.add_argument("--seed", type=int, metavar="N", help="default: exchange.seed")
    make.add_argument("--minutes", type=float, default=60.0, metavar="M", help="market minutes (default %(default)g)")
    make.add_argument("--day", default=DAY, metavar="YYYY-MM-DD", help="the market's date (default %(default)s)")
