"""Fixtures of the exchange's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from config.schema import Instrument
from tests.exchange.kit import SteppedExchange, config_of


@pytest.fixture
def open_exchange() -> Iterator[Callable[..., SteppedExchange]]:
    opened: list[SteppedExchange] = []

    def make(*instruments: Instrument, **exchange: Any) -> SteppedExchange:
        made = SteppedExchange(config_of(*instruments, **exchange))
        opened.append(made)
        return made.open()

    yield make
    for each in opened:
        each.close()
