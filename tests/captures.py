"""Where the real captures are, for tests that want them; such a test is skipped, with the reason, where they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

CAPTURES = Path(__file__).resolve().parents[2] / "shared" / "data"


def folder(name: str) -> Path:
    """The folder of one capture (`es_2023-12-25`, `btcusdt_2024-08-08`, `b3_options_20160624`), or a skip."""
    path = CAPTURES / name
    if not path.is_dir():
        pytest.skip(f"the capture {name} is not on this machine (looked in {CAPTURES})")
    return path
