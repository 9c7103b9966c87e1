"""One ring on its way to its segments: the buffer of the next batch, and what of the ring is recorded already.

No files here and no clock: records in, rows out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shm.ring import RingReader
from tape.format import KINDS
from tape.tail import RecordedUpTo

BUFFER_RECORDS = 8192


class Lane:
    """Reads a ring from its oldest record on, and leaves out what `recorded` says is in the tape."""

    def __init__(self, kind: str, reader: RingReader, recorded: RecordedUpTo) -> None:
        self.kind = kind
        self.may_miss = False  # the ring had been overwritten beyond the last recorded row when this lane began
        self._reader = reader
        self._recorded = recorded
        self._lost_seen = 0
        self._first = True
        self._searching = recorded.ingest_seq >= 0
        self._equal_left = recorded.rows
        self._buffer = np.zeros(BUFFER_RECORDS, KINDS[kind])
        self._filled = 0

    @property
    def full(self) -> bool:
        return self._filled == len(self._buffer)

    def take(self) -> int:
        """Move what the ring has into the buffer, as far as there is room; how many records were read."""
        count = self._reader.read(self._buffer[self._filled :])
        fresh = self._buffer[self._filled : self._filled + count]
        if count and self._first:
            self._first = False
            overwritten = self._reader.next_number > count
            self.may_miss = overwritten and int(fresh["ingest_seq"][0]) > self._recorded.ingest_seq
        self._filled += self._leave_out_recorded(fresh) if self._searching else count
        return count

    def lost(self) -> int:
        """Records lost to laps since this was last asked."""
        lost = self._reader.lost - self._lost_seen
        self._lost_seen += lost
        return lost

    def rows(self) -> np.ndarray[Any, Any]:
        """The buffered rows, valid until `clear`."""
        return self._buffer[: self._filled]

    def clear(self) -> None:
        self._filled = 0

    def _leave_out_recorded(self, fresh: np.ndarray[Any, Any]) -> int:
        """Move the records that are not in the tape to the front of `fresh`; how many they are."""
        sequence = fresh["ingest_seq"]
        older = int(np.searchsorted(sequence, self._recorded.ingest_seq, "left"))
        equal = int(np.searchsorted(sequence, self._recorded.ingest_seq, "right")) - older
        recorded_equal = min(equal, self._equal_left)
        self._equal_left -= recorded_equal
        self._searching = older + equal == len(fresh)
        kept = len(fresh) - older - recorded_equal
        fresh[:kept] = fresh[older + recorded_equal :].copy()
        return kept
