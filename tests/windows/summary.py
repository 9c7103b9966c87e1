"""Prints what a Windows result says: counts by folder, and the figures that tests recorded. `summary.py RESULT.xml`."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as tree
from collections import Counter


def main(path: str) -> None:
    counts: dict[str, Counter[str]] = {}
    figures: list[str] = []
    for case in tree.parse(path).iter("testcase"):
        outcome = next((kind for kind in ("failure", "error", "skipped") if case.find(kind) is not None), "passed")
        folder = ".".join((case.get("classname") or "").split(".")[:2])
        counts.setdefault(folder, Counter())[outcome] += 1
        figures += [f"{case.get('name')}: {p.get('name')} = {p.get('value')}" for p in case.iter("property")]
    for folder, outcomes in sorted(counts.items()):
        sys.stdout.write(f"{folder:18} {', '.join(f'{n} {kind}' for kind, n in sorted(outcomes.items()))}\n")
    sys.stdout.write("\n".join(figures) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
