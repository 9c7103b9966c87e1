"""`bench [NAME] [--json]`: runs one benchmark or all, prints a table or JSON. Targets that are not met are said."""

from __future__ import annotations

import json
import math
import sys
from importlib import import_module

from benchmarks.measure import Result, machine

BENCHMARKS = (
    "callback",
    "ring",
    "doorbell",
    "fanout",
    "features",
    "startup",
    "tick_to_order",
    "decision",
    "exchange",
    "references",
)


def run(name: str | None, as_json: bool) -> int:
    """Exit code 0: all ran (met or not); 2: there is no such benchmark; 1: one could not run."""
    if name is not None and name not in BENCHMARKS:
        sys.stderr.write(f"error: there is no benchmark {name!r}; there are {', '.join(BENCHMARKS)}\n")
        return 2
    results, failed = [], False
    for one in [name] if name else BENCHMARKS:
        try:
            results.append(import_module(f"benchmarks.{one}").run())
        except OSError as error:
            failed = True
            sys.stderr.write(f"error: {one}: {error}\n")
            continue
        if not as_json:
            sys.stdout.write("\n".join(as_lines(results[-1])) + "\n")
            sys.stdout.flush()
    if as_json:
        sys.stdout.write(json.dumps({"machine": machine(), "results": [_finite(r.as_dict()) for r in results]}) + "\n")
    return 1 if failed else 0


def as_lines(result: Result) -> list[str]:
    """A result for the terminal."""
    lines = [f"{result.benchmark}: {result.what}"]
    for row in result.rows:
        parts = [f"  {row.name:44}"]
        if not math.isnan(row.p50_ns):
            parts.append(f"p50 {row.p50_ns / 1000:12.3f} us  p99 {row.p99_ns / 1000:12.3f} us")
        if not math.isnan(row.per_second):
            parts.append(f"{row.per_second:14,.0f} /s")
        lines.append("  ".join([*parts, row.note]).rstrip())
    verdict = {True: "met", False: "NOT MET", None: "no target"}[result.met]
    ratio = "" if result.ratio is None else f"{result.ratio_of} = {result.ratio:.3f}; "
    if result.target:
        lines.append(f"  {ratio}target {result.target}: {verdict}")
    return lines


def _finite(value: object) -> object:
    """NaN is no JSON: null instead."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
