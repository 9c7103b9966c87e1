"""Named shared memory: create, attach, check the layout, remove, and clean up after dead runs.

The supervisor creates every segment and is the only one to remove it, so any stage can die and come back. Attaching
maps an existing segment and checks its header: another magic, layout version or dtype is an error that names both.
Mapped with `mmap` itself, not `multiprocessing.shared_memory`, whose resource tracker would unlink a segment that
belongs to another process (before Python 3.13). On Windows a segment lives as long as a handle to it is open.

Never write a header from anywhere else.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from shm import layouts
from shm.windows_mapping import mapping_size

WINDOWS = sys.platform == "win32"
POSIX_FOLDER = Path("/dev/shm")
NAME = re.compile(r"^qt-(\d+)-(\d+)-[a-z0-9_]+$")


class SegmentError(RuntimeError):
    """A shared segment is missing, of another layout, or cannot be made."""


class Segment:
    """One mapped segment. `address` is valid in this process only, until `close`.

    buffer: uint8 array over the whole segment, writable.
    """

    def __init__(self, name: str, memory: mmap.mmap, size: int) -> None:
        self.name = name
        self.size = size
        self._memory = memory
        self.buffer: np.ndarray[Any, np.dtype[np.uint8]] = np.frombuffer(memory, np.uint8, count=size)
        self.address = int(self.buffer.ctypes.data)

    @classmethod
    def create(cls, name: str, size: int, record_size: int, capacity: int, layout_hash: int) -> Segment:
        """A new zeroed segment with its header written. Raises SegmentError when it exists or memory is short."""
        if not NAME.match(name):
            raise SegmentError(f"segment name {name!r} is not of the form qt-PID-START-PART")
        size = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        segment = cls(name, _map_new(name, size), size)
        header = segment.buffer
        header[layouts.OFFSET_VERSION : layouts.OFFSET_VERSION + 4].view("<u4")[0] = layouts.LAYOUT_VERSION
        header[layouts.OFFSET_RECORD_SIZE : layouts.OFFSET_RECORD_SIZE + 4].view("<u4")[0] = record_size
        header[layouts.OFFSET_CAPACITY : layouts.OFFSET_CAPACITY + 8].view("<u8")[0] = capacity
        header[layouts.OFFSET_DTYPE_HASH : layouts.OFFSET_DTYPE_HASH + 8].view("<u8")[0] = layout_hash
        header[layouts.OFFSET_MAGIC : layouts.OFFSET_MAGIC + 8].view("<u8")[0] = layouts.MAGIC  # last: now it is one
        return segment

    @classmethod
    def attach(cls, name: str, size: int, record_size: int, layout_hash: int) -> Segment:
        """An existing segment of exactly this layout, or SegmentError naming what differs."""
        size = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        segment = cls(name, _map_existing(name, size), size)
        try:
            segment._check(record_size, layout_hash)
        except SegmentError:
            segment.close()
            raise
        return segment

    def _check(self, record_size: int, layout_hash: int) -> None:
        wanted = {
            "magic": layouts.MAGIC,
            "layout version": layouts.LAYOUT_VERSION,
            "record size": record_size,
            "layout hash": layout_hash,
        }
        found = {
            "magic": int(self.buffer[0:8].view("<u8")[0]),
            "layout version": int(self.buffer[8:12].view("<u4")[0]),
            "record size": int(self.buffer[12:16].view("<u4")[0]),
            "layout hash": int(self.buffer[24:32].view("<u8")[0]),
        }
        for what, value in wanted.items():
            if found[what] != value:
                raise SegmentError(
                    f"segment {self.name}: {what} is {found[what]:#x}, this build has {value:#x}; "
                    "stop the run that made it, and start all stages from one version"
                )

    @property
    def capacity(self) -> int:
        """Records that the segment holds."""
        return int(self.buffer[layouts.OFFSET_CAPACITY : layouts.OFFSET_CAPACITY + 8].view("<u8")[0])

    def close(self) -> None:
        """Unmap. Views of `buffer` that somebody still holds keep the memory mapped until they go."""
        self.buffer = np.zeros(0, np.uint8)
        self.address = 0
        with contextlib.suppress(BufferError):  # an array over it is alive; the mapping goes with the process
            self._memory.close()

    def remove(self) -> None:
        """Take the name away; processes that have it mapped keep it. Nothing to do on Windows."""
        if not WINDOWS:
            (POSIX_FOLDER / self.name).unlink(missing_ok=True)


def _map_new(name: str, size: int) -> mmap.mmap:
    if WINDOWS:
        return _map_new_on_windows(name, size)
    path = POSIX_FOLDER / name
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise SegmentError(f"segment {name} exists already; another run uses it") from None
    try:
        os.posix_fallocate(descriptor, 0, size)  # reserve now: a full /dev/shm would be SIGBUS at the first touch
        return mmap.mmap(descriptor, size)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise SegmentError(
            f"no room for segment {name} ({size / 2**20:.0f} MiB) in {POSIX_FOLDER}: {error.strerror}; "
            "free shared memory, or set runtime.ring_capacity_shift"
        ) from error
    finally:
        os.close(descriptor)


def _map_existing(name: str, size: int) -> mmap.mmap:
    if WINDOWS:
        actual = mapping_size(name)
        if actual is None:
            raise _missing(name)
        _check_size(name, actual, size)
        return mmap.mmap(-1, size, tagname=name)  # type: ignore[call-arg]
    try:
        descriptor = os.open(POSIX_FOLDER / name, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _missing(name) from None
    try:
        _check_size(name, os.fstat(descriptor).st_size, size)
        return mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)


def _missing(name: str) -> SegmentError:
    return SegmentError(f"there is no segment {name}; its run has ended, or was never started")


def _check_size(name: str, actual: int, wanted: int) -> None:
    if actual != wanted:
        raise SegmentError(f"segment {name} has {actual} bytes, this build wants {wanted}; start all from one version")


def _map_new_on_windows(name: str, size: int) -> mmap.mmap:
    if mapping_size(name) is not None:
        raise SegmentError(f"segment {name} exists already; another run uses it")
    try:
        return mmap.mmap(-1, size, tagname=name)  # type: ignore[call-arg]  # backed by the page file: what is missing there is told now
    except OSError as error:
        raise SegmentError(
            f"no room for segment {name} ({size / 2**20:.0f} MiB) in the page file: {error.strerror}; "
            "end other programs, or set runtime.ring_capacity_shift"
        ) from error


def run_prefix(pid: int) -> str:
    """What all segment names of the run of supervisor `pid` start with; its start time tells a reused pid apart."""
    return f"qt-{pid}-{int(psutil.Process(pid).create_time() * 100)}-"


def supervisor_lives(prefix: str) -> bool:
    """Whether the supervisor that made segments of this prefix is still there."""
    match = NAME.match(prefix + "x")
    return match is not None and _alive(int(match[1]), int(match[2]))


def remove_dead_runs() -> list[str]:
    """Remove segments whose supervisor is gone. Returns their names."""
    if WINDOWS:
        return []
    removed = []
    for path in POSIX_FOLDER.glob("qt-*"):
        match = NAME.match(path.name)
        if match and not _alive(int(match[1]), int(match[2])):
            path.unlink(missing_ok=True)
            removed.append(path.name)
    return removed


def _alive(pid: int, started: int) -> bool:
    try:
        process = psutil.Process(pid)
        # a zombie runs nothing any more; a pid that was given again has another start
        return abs(int(process.create_time() * 100) - started) <= 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
