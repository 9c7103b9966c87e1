"""Which symbol a callback speaks of: the DLL's wide ticker compared with the configured ones, in place.

`PWideChar` has 2 bytes on Windows and 4 on Linux. There are a handful of symbols, so a scan beats a hash.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ingest.state import TICKER_LENGTH, symbol_at
from shm.atomics import at
from shm.jit import inline

from numba import carray  # isort: skip

WIDE = np.uint16 if sys.platform == "win32" else np.uint32
IDENTIFIER_WORDS = 4  # TConnectorAssetIdentifier: version | ticker | exchange | feed type
IDENTIFIER_TICKER = 1


@inline
def symbol_index(context, identifier):  # type: ignore[no-untyped-def]
    """Index of the symbol of a TConnectorAssetIdentifier at an address; -1 when it is none of ours."""
    text_address = np.uint64(carray(at(identifier), IDENTIFIER_WORDS, np.uint64)[IDENTIFIER_TICKER])
    if text_address == np.uint64(0):
        return -1
    text = carray(at(text_address), TICKER_LENGTH, WIDE)
    for index in range(context.symbol_count):
        ticker = symbol_at(context, index).ticker
        place = 0
        while place < TICKER_LENGTH and np.int64(text[place]) == np.int64(ticker[place]):
            if ticker[place] == 0:
                return index
            place += 1
    return -1


def code_units(text: str, length: int) -> np.ndarray[Any, np.dtype[np.int32]]:
    """A ticker as int32 code units, ended by 0. Raises ValueError when it does not fit or is not ASCII."""
    if not text.isascii() or not 0 < len(text) < length:
        raise ValueError(f"ticker {text!r} must have 1 to {length - 1} ASCII letters")
    units = np.zeros(length, np.int32)
    units[: len(text)] = [ord(letter) for letter in text]
    return units
