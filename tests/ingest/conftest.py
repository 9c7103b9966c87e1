"""A fresh bench for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ingest.bench import Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.remove()
