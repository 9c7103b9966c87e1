"""What a tape holds and whether it is sound, as data and as lines of text. Reads everything; changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from shm.layouts import KIND_GAP
from tape.drops import dropped
from tape.format import KINDS, segments
from tape.reader import Tape, import_parquet, stream_map
from tape.verify import check, gaps, holes

Rows = np.ndarray[Any, Any]


@dataclass(frozen=True)
class SegmentInfo:
    name: str
    size: int  # bytes
    rows: int
    torn_bytes: int  # of a batch that its writer did not finish
    ended: bool  # closed by its writer


@dataclass(frozen=True)
class TapeInfo:
    """All that `tape info` says."""

    folder: Path
    tape: Tape
    segments: tuple[SegmentInfo, ...]
    trades: int
    gap_records: int
    books: int
    candles: int
    first_ts_ns: int  # 0 when there is no event
    last_ts_ns: int
    dropped: dict[str, int]  # rows that give no feature vector, by cause
    holes: tuple[int, int]  # number, events missing
    gaps: tuple[str, ...]
    problems: tuple[str, ...]


def info(folder: str | Path) -> TapeInfo:
    """Read a whole tape and check it. Raises TapeError if it cannot be read."""
    tape = Tape.open(folder)
    trades, book, candles = tape.trades(), tape.book(), tape.candles()
    times = np.concatenate([trades["ts_ns"], book["ts_ns"]])
    gap_records = int((trades["kind"] == KIND_GAP).sum())
    return TapeInfo(
        folder=tape.folder,
        tape=tape,
        segments=tuple(item for kind in KINDS for item in _segments(tape.folder, kind)),
        trades=len(trades) - gap_records,
        gap_records=gap_records,
        books=len(book),
        candles=len(candles),
        first_ts_ns=int(times.min()) if len(times) else 0,
        last_ts_ns=int(times.max()) if len(times) else 0,
        dropped=dropped(trades, book, tuple(item.tick for item in tape.instruments)),
        holes=holes(trades, book),
        gaps=tuple(gaps(trades)),
        problems=tuple(check(trades, book, candles, len(tape.instruments))),
    )


def _segments(folder: Path, kind: str) -> list[SegmentInfo]:
    found = []
    for segment in segments(folder, kind):
        size = segment.path.stat().st_size
        if segment.is_stream:
            stream = stream_map(segment.path)
            found.append(SegmentInfo(segment.path.name, size, stream.rows, stream.torn_bytes, stream.ended))
        else:
            parquet = import_parquet(segment.path)
            found.append(SegmentInfo(segment.path.name, size, parquet.read_metadata(segment.path).num_rows, 0, True))
    return found


def describe(found: TapeInfo) -> list[str]:
    """The lines that `tape info` prints; ASCII."""
    lines = [f"tape {found.folder}"]
    for number, item in enumerate(found.tape.instruments):
        lines.append(f"  instrument {number}: {item.symbol}, tick {item.tick:g}, lot {item.lot:g}, {item.timezone}")
    source = found.tape.origin.get("source", "unknown")
    lines.append(f"  source {source}")
    counts = f"{found.trades} trades, {found.books} books, {found.candles} candles, {found.gap_records} gap records"
    lines.append(f"  {counts}")
    if found.first_ts_ns:
        seconds = (found.last_ts_ns - found.first_ts_ns) / 1e9
        zone = found.tape.instruments[0].timezone
        lines.append(f"  from {_when(found.first_ts_ns, zone)} to {_when(found.last_ts_ns, zone)} ({seconds:,.3f} s)")
    for part in found.segments:
        state = "closed" if part.ended else f"open or cut short, {part.torn_bytes} bytes of an unfinished batch"
        lines.append(f"  {part.name}: {part.rows} rows, {part.size:,} bytes, {state}")
    if found.dropped:
        lines.append(f"  {sum(found.dropped.values())} rows stay in the tape but give no feature vector:")
        lines += [f"    {cause}: {count}" for cause, count in found.dropped.items()]
    lines += [f"  gap: {line}" for line in found.gaps]
    lines += [f"  PROBLEM: {line}" for line in found.problems]
    lines.append("  sound" if not found.problems else f"  {len(found.problems)} problems")
    return lines


def _when(ts_ns: int, timezone: str) -> str:
    """Local time with milliseconds, and UTC."""
    moment = datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC)
    local = moment.astimezone(ZoneInfo(timezone))
    fraction = ts_ns % 1_000_000_000 // 1_000_000
    return f"{local:%Y-%m-%d %H:%M:%S}.{fraction:03d} {local:%z} ({moment:%H:%M:%S} UTC)"
