"""Puts a campaign's table into docs/robustness.md, between the marks of its section."""

from __future__ import annotations

from tests.processes import PROJECT

DOCUMENT = PROJECT / "docs" / "robustness.md"


def has_section(name: str) -> bool:
    return f"<!-- {name} -->\n" in DOCUMENT.read_text("utf-8")


def write_section(name: str, lines: list[str]) -> None:
    """Replace what stands between `<!-- NAME -->` and `<!-- end -->`. Raises ValueError when there is no such section."""
    text = DOCUMENT.read_text("utf-8")
    start, mark, rest = text.partition(f"<!-- {name} -->\n")
    if not mark:
        raise ValueError(f"{DOCUMENT} has no section {name}")
    _, end, behind = rest.partition("<!-- end -->\n")
    DOCUMENT.write_text(start + mark + "\n" + "\n".join(lines) + "\n\n" + end + behind, encoding="utf-8")
