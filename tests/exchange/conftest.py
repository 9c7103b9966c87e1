"""Fixtures of the exchange's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from config.schema import Instrument
from exchange.recording import Recording
from tape.importer import import_tape
from tape.reader import Tape
from tests import captures
from tests.exchange.kit import ES, SteppedExchange, config_of


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


@pytest.fixture(scope="session")
def es_recording(tmp_path_factory: pytest.TempPathFactory) -> tuple[Instrument, Recording]:
    """The recorded hour of the E-mini future; skips where the capture is not on this machine."""
    folder = captures.folder("es_2023-12-25")
    out = tmp_path_factory.mktemp("tapes") / "es"
    import_tape(folder / "trades.parquet", folder / "book.parquet", out, "ES", 0.25, timezone="UTC")
    tape = Tape.open(out)
    return ES, Recording([ES], tape.trades(), tape.book())
