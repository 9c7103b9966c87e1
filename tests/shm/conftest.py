"""Fresh segments for each test, removed whatever happens."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest

from shm.segment import WINDOWS, Segment, run_prefix

_numbers = itertools.count()


@pytest.fixture
def names() -> Iterator[object]:
    """A function that gives unused segment names; what was made under them is removed afterwards."""
    prefix = run_prefix(os.getpid())
    given: list[str] = []

    def name(part: str) -> str:
        given.append(f"{prefix}{part}{next(_numbers)}")
        return given[-1]

    yield name
    if not WINDOWS:
        for used in given:
            Segment.remove(_Named(used))  # type: ignore[arg-type]


class _Named:
    def __init__(self, name: str) -> None:
        self.name = name
