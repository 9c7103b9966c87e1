"""Appending: rotation, going on after a restart, a full disk, and a writer that is killed while it writes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tape.format import TapeError, TapeHeader, TapeInstrument, read_header, segments
from tape.reader import Tape, read_segment, stream_map
from tape.writer import TapeWriter
from tests.tape.rows import HEADER, columns_equal, names, random_rows, sound_book, sound_trades

PROJECT = Path(__file__).resolve().parents[2]


def test_segments_rotate_and_read_as_one(tmp_path: Path) -> None:
    with TapeWriter.create(tmp_path / "tape", HEADER, segment_rows=100) as writer:
        for start in range(0, 250, 50):
            writer.append("trades", sound_trades(np.arange(start, start + 50)))
            writer.append("book", sound_book(np.arange(start, start + 30)))
    tape = Tape.open(tmp_path / "tape")
    assert names(tape.folder) == [
        "book-000001.arrows",
        "book-000002.arrows",
        "tape.json",
        "trades-000001.arrows",
        "trades-000002.arrows",
        "trades-000003.arrows",
    ]
    assert tape.trades()["ingest_seq"].tolist() == list(range(250))
    assert len(tape.book()) == 150
    assert len(tape.candles()) == 0
    assert tape.instruments == HEADER.instruments
    assert all(stream_map(segment.path).ended for segment in segments(tape.folder, "trades"))


def test_a_second_writer_goes_on_in_a_new_segment(tmp_path: Path) -> None:
    folder = tmp_path / "tape"
    first = TapeWriter.create(folder, HEADER)
    first.append("trades", sound_trades(np.arange(10)))
    first.abandon()  # as a crash would: no end mark
    with TapeWriter.resume(folder, HEADER) as second:
        second.append("trades", sound_trades(np.arange(10, 20)))
    assert [segment.number for segment in segments(folder, "trades")] == [1, 2]
    assert Tape.open(folder).trades()["ingest_seq"].tolist() == list(range(20))


def test_a_tape_is_never_written_over(tmp_path: Path) -> None:
    folder = tmp_path / "tape"
    TapeWriter.create(folder, HEADER).close()
    with pytest.raises(TapeError, match="not empty"):
        TapeWriter.create(folder, HEADER)


def test_another_instrument_cannot_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "tape"
    TapeWriter.create(folder, HEADER).close()
    other = TapeHeader(instruments=(TapeInstrument(symbol="WINFUT", tick=5.0),), origin={})
    with pytest.raises(TapeError, match=r"recorded for WDOFUT \(tick 0.5\), not for WINFUT \(tick 5\)"):
        TapeWriter.resume(folder, other)


def test_rows_of_another_kind_are_refused(tmp_path: Path) -> None:
    with TapeWriter.create(tmp_path / "tape", HEADER) as writer, pytest.raises(TypeError, match="trades rows"):
        writer.append("trades", sound_book(np.arange(3)))


def test_a_failed_sync_takes_the_batch_back(tmp_path: Path) -> None:
    """What was written before is whole, the failed batch is gone, and a later append takes the next number."""
    failing = False

    def sync(descriptor: int) -> None:
        if failing:
            raise OSError(28, "No space left on device")
        os.fsync(descriptor)

    folder = tmp_path / "tape"
    writer = TapeWriter.create(folder, HEADER, sync=sync)
    writer.append("trades", sound_trades(np.arange(5)))
    size = (folder / "trades-000001.arrows").stat().st_size
    failing = True
    with pytest.raises(TapeError, match=r"trades-000001\.arrows: cannot be written: .*No space left"):
        writer.append("trades", sound_trades(np.arange(5, 9)))
    assert (folder / "trades-000001.arrows").stat().st_size == size
    failing = False
    writer.append("trades", sound_trades(np.arange(5, 9)))
    writer.close()
    assert Tape.open(folder).trades()["ingest_seq"].tolist() == list(range(9))


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from tape.format import TapeError
from tape.writer import TapeWriter
from tests.tape.rows import HEADER, sound_book
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer = TapeWriter.create(Path(sys.argv[1]), HEADER)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
done = 0
try:
    while True:
        writer.append("book", sound_book(np.arange(done, done + 40)))
        done += 40
except TapeError as error:
    sys.stdout.write(f"{done}|{error}")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limit to set")
def test_a_file_that_cannot_grow_keeps_its_whole_batches(tmp_path: Path) -> None:
    """The kernel really writes the first part of a batch and refuses the rest."""
    folder = tmp_path / "tape"
    done, message = run_python(FULL_DISK, folder).split("|", 1)
    assert "book-000001.arrows: cannot be written" in message
    assert int(done) > 0
    assert Tape.open(folder).book()["ingest_seq"].tolist() == list(range(int(done)))
    assert stream_map(folder / "book-000001.arrows").torn_bytes == 0


APPENDER = """
import sys
from pathlib import Path
import numpy as np
from tape.writer import TapeWriter
from tests.tape.rows import HEADER, sound_book
folder = Path(sys.argv[1])
writer = TapeWriter.create(folder, HEADER, segment_rows=3000)
done = 0
while True:
    writer.append("book", sound_book(np.arange(done, done + 500)))
    done += 500
    sys.stdout.write(f"{done}\\n")
    sys.stdout.flush()
"""


@pytest.mark.parametrize("batches", [1, 4, 7, 12, 15])
def test_a_killed_writer_leaves_every_synced_batch(tmp_path: Path, batches: int) -> None:
    folder = tmp_path / "tape"
    process = subprocess.Popen(
        [sys.executable, "-c", APPENDER, str(folder)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        reported = 0
        while reported < 500 * batches:
            reported = int(process.stdout.readline())
        time.sleep(0.0007 * batches)  # somewhere inside the next appends
    finally:
        process.kill()
        rest = process.communicate(timeout=30)[0]
    synced = int(rest.split("\n")[-2]) if rest.count("\n") else reported
    rows = Tape.open(folder).book()
    assert len(rows) >= synced
    assert len(rows) % 500 == 0
    assert columns_equal(rows, sound_book(np.arange(len(rows))), "book")
    with TapeWriter.resume(folder, HEADER) as writer:
        writer.append("book", sound_book(np.arange(len(rows), len(rows) + 7)))
    assert Tape.open(folder).book()["ingest_seq"].tolist() == list(range(len(rows) + 7))


def test_random_bits_survive_the_disk(tmp_path: Path) -> None:
    rows = {kind: random_rows(kind, 300, 5) for kind in ("trades", "book", "candles")}
    with TapeWriter.create(tmp_path / "tape", HEADER) as writer:
        for kind, some in rows.items():
            writer.append(kind, some[:100])
            writer.append(kind, some[100:])
    for kind, some in rows.items():
        (segment,) = segments(tmp_path / "tape", kind)
        assert columns_equal(read_segment(segment), some, kind)


def test_a_header_cut_short_before_the_tape_began_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / "tape"
    folder.mkdir()
    (folder / "tape.json.tmp").write_text('{"form')
    TapeWriter.create(folder, HEADER).close()
    assert read_header(folder) == HEADER


def run_python(code: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=PROJECT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
