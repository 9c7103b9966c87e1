"""Where a recording stopped: what a recorder that comes back must not write again.

Reads as little as it can, from the end: usually one batch of the newest segment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tape.format import segments
from tape.reader import read_segment, read_stream, stream_map


@dataclass(frozen=True)
class RecordedUpTo:
    """The last rows of one kind. Several candles may carry one ingest_seq, so the number of them counts too."""

    ingest_seq: int = -1  # -1: nothing was recorded
    rows: int = 0  # rows that carry it


def recorded_up_to(folder: Path, kind: str) -> RecordedUpTo:
    """The largest ingest_seq that a tape holds for a kind. Raises TapeError if a segment is damaged."""
    last, rows = -1, 0
    for sequence in _batches_from_the_end(folder, kind):
        if last < 0:
            last = int(sequence[-1])
        rows += int((sequence == last).sum())
        if sequence[0] < last:
            break
    return RecordedUpTo(last, rows)


def _batches_from_the_end(folder: Path, kind: str) -> Iterator[np.ndarray[Any, Any]]:
    """ingest_seq of each batch that has rows, newest first."""
    for segment in reversed(segments(folder, kind)):
        if segment.is_stream:
            for number in reversed(range(len(stream_map(segment.path).batches))):
                if len(rows := read_stream(segment.path, kind, slice(number, number + 1))):
                    yield rows["ingest_seq"]
        elif len(rows := read_segment(segment)):
            yield rows["ingest_seq"]
