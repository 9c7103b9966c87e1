"""Sleeping until another process has something, without a lost wake-up and without a system call when nobody sleeps.

Each stage has one bell: it sleeps there whatever it waits for (any of its rings, a command). One shared word,
`sleepers`, has a bit for each bell. A ring's header has `subscribers`, the bits of the stages that read it.

    reader                                     writer
    sleepers |= my bit                         store cursor
    seq_cst fence                    <----->   seq_cst fence
    look at the cursors once more              read sleepers & subscribers
    sleep at most `timeout`                    for each bit that it clears itself: ring that bell

Either the reader's second look sees the new cursor, or the writer sees the reader's bit: both fences are needed, for
acquire and release let a store pass a later load. A writer that clears a bit rings once, so a burst costs one
system call. A reader that was killed asleep leaves a bit that the next writer clears: one ring too many, no harm.

Linux: a futex in the segment. Windows: one named auto-reset event a bell. Both are reached by native code through the
process's wake table, so the DLL's callback can ring without Python.

    bells segment
    64            sleepers u64
    128 + 64 i    bell i: u32 rung (futex word)
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy as np
from llvmlite import ir

from shm.atomics import (
    at,
    atomic_add_32,
    atomic_and,
    atomic_or,
    call_1,
    call_2,
    call_7,
    fence_seq_cst,
    load_acquire,
    load_acquire_32,
    load_relaxed,
)
from shm.jit import inline, kernel
from shm.layouts import OFFSET_SUBSCRIBERS
from shm.segment import Segment, SegmentError

from numba import carray, types  # isort: skip
from numba.extending import intrinsic  # isort: skip

BELLS = 32
OFFSET_SLEEPERS = 64
OFFSET_BELLS = 128
BELL_SIZE = 64
BELLS_SIZE = OFFSET_BELLS + BELLS * BELL_SIZE
BELLS_HASH = 0xBE11_0001
MAX_SLEEP_NS = 50_000_000

# the wake table of a process: uint64 words
WORD_BELLS = 0  # address of the bells segment
WORD_CALL = 1  # address of syscall (Linux) or SetEvent (Windows)
WORD_WAIT = 2  # address of WaitForSingleObject (Windows), 0 on Linux
WORD_TIMEOUT = 3  # two words: a timespec
WORD_HANDLES = 8  # Windows: event handle of each bell
WAKE_WORDS = WORD_HANDLES + BELLS

_SYS_FUTEX = 202  # Linux x86-64
_FUTEX_WAIT = 0  # not the private kind: the word is shared between processes
_FUTEX_WAKE = 1


@intrinsic
def _lowest_bit(typingctx: Any, word: Any) -> Any:
    """Index of the lowest set bit of a uint64 that is not 0."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.IntType(1)(1))

    return types.uint64(types.uint64), codegen


@inline
def ring_bell(wake, bell):  # type: ignore[no-untyped-def]
    """Wake the stage that sleeps at `bell`, or keep it from falling asleep. One system call."""
    bells = load_relaxed(wake)
    word = bells + np.uint64(OFFSET_BELLS) + bell * np.uint64(BELL_SIZE)
    atomic_add_32(word, np.uint32(1))  # partner: the value that bell_sleep read before it looked at the cursors
    function = load_relaxed(wake + np.uint64(8 * WORD_CALL))
    if load_relaxed(wake + np.uint64(8 * WORD_WAIT)) != 0:
        handle = load_relaxed(wake + np.uint64(8 * WORD_HANDLES) + bell * np.uint64(8))
        call_1(function, np.int64(handle))
    else:
        call_7(function, _SYS_FUTEX, np.int64(word), _FUTEX_WAKE, 0x7FFFFFFF, 0, 0, 0)


@inline
def ring_bells(wake, ring):  # type: ignore[no-untyped-def]
    """After publishing on `ring`: wake the subscribers that sleep. Without sleepers: a fence and two loads."""
    fence_seq_cst()  # partner: the fence in bell_sleep
    sleepers_word = load_relaxed(wake) + np.uint64(OFFSET_SLEEPERS)
    sleeping = load_relaxed(sleepers_word) & load_relaxed(ring + np.uint64(OFFSET_SUBSCRIBERS))
    while sleeping != np.uint64(0):
        bell = _lowest_bit(sleeping)
        bit = np.uint64(1) << bell
        if atomic_and(sleepers_word, ~bit) & bit != np.uint64(0):  # whoever clears it rings, once
            ring_bell(wake, bell)
        sleeping &= ~bit


@inline
def _anything_new(watched, count):  # type: ignore[no-untyped-def]
    words = carray(at(watched), 2 * count, np.uint64)
    for i in range(count):
        if load_acquire(np.uint64(words[2 * i])) > load_relaxed(np.uint64(words[2 * i + 1])):
            return True  # partner: the writer's store_release of the cursor, or of the command word
    return False


@kernel("int64(uintp, uint64, uintp, int64, int64)")
def bell_sleep(wake, bell, watched, count, timeout_ns):  # type: ignore[no-untyped-def]
    """Sleep at `bell` until it is rung, at most `timeout_ns` (and MAX_SLEEP_NS).

    watched: address of `count` pairs of addresses (shared word, own word); a shared word above the own one means news.
    Returns 1 when there was news without sleeping, else 0 (rung, time over, or a signal: the caller looks again).
    """
    bells = load_relaxed(wake)
    word = bells + np.uint64(OFFSET_BELLS) + bell * np.uint64(BELL_SIZE)
    bit = np.uint64(1) << bell
    rung = load_acquire_32(word)
    atomic_or(bells + np.uint64(OFFSET_SLEEPERS), bit)
    fence_seq_cst()  # partner: the fence in ring_bells
    if _anything_new(watched, count):
        atomic_and(bells + np.uint64(OFFSET_SLEEPERS), ~bit)
        return 1
    timeout_ns = max(0, min(timeout_ns, MAX_SLEEP_NS))
    wait = load_relaxed(wake + np.uint64(8 * WORD_WAIT))
    if wait != 0:
        handle = load_relaxed(wake + np.uint64(8 * WORD_HANDLES) + bell * np.uint64(8))
        call_2(wait, np.int64(handle), (timeout_ns + 999_999) // 1_000_000)
    else:
        timespec = carray(at(wake + np.uint64(8 * WORD_TIMEOUT)), 2, np.int64)
        timespec[0] = 0
        timespec[1] = timeout_ns
        address = np.int64(wake + np.uint64(8 * WORD_TIMEOUT))
        function = load_relaxed(wake + np.uint64(8 * WORD_CALL))
        call_7(function, _SYS_FUTEX, np.int64(word), _FUTEX_WAIT, np.int64(rung), address, 0, 0)
    atomic_and(bells + np.uint64(OFFSET_SLEEPERS), ~bit)
    return 0


@kernel("void(uintp, uint64)")
def ring(wake, bell):  # type: ignore[no-untyped-def]
    """For Python: ring one bell whether or not somebody sleeps there."""
    ring_bell(wake, bell)


class Doorbells:
    """All bells of a run as one process sees them. `wake` is the address that kernels take."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self._table = np.zeros(WAKE_WORDS, np.uint64)
        self.wake = int(self._table.ctypes.data)
        self._table[WORD_BELLS] = segment.address
        self._handles: list[int] = []
        if sys.platform == "win32":
            self._open_events()
        else:
            library = ctypes.CDLL(None)
            self._table[WORD_CALL] = ctypes.cast(library.syscall, ctypes.c_void_p).value or 0

    @classmethod
    def create(cls, name: str) -> Doorbells:
        return cls(Segment.create(name, BELLS_SIZE, BELL_SIZE, BELLS, BELLS_HASH))

    @classmethod
    def attach(cls, name: str) -> Doorbells:
        return cls(Segment.attach(name, BELLS_SIZE, BELL_SIZE, BELLS_HASH))

    def _open_events(self) -> None:
        windows = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
        windows.CreateEventW.restype = ctypes.c_void_p
        windows.CreateEventW.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_wchar_p]
        windows.CloseHandle.argtypes = [ctypes.c_void_p]
        self._close_handle = windows.CloseHandle
        for bell in range(BELLS):
            handle = windows.CreateEventW(None, False, False, f"{self.segment.name}-{bell}")  # opens it when it exists
            if not handle:
                raise SegmentError(f"event {self.segment.name}-{bell}: Windows error {ctypes.get_last_error()}")  # type: ignore[attr-defined]
            self._handles.append(handle)
            self._table[WORD_HANDLES + bell] = handle
        self._table[WORD_CALL] = ctypes.cast(windows.SetEvent, ctypes.c_void_p).value or 0
        self._table[WORD_WAIT] = ctypes.cast(windows.WaitForSingleObject, ctypes.c_void_p).value or 0

    def ring(self, bell: int) -> None:
        ring(self.wake, bell)

    def close(self) -> None:
        for handle in self._handles:
            self._close_handle(handle)
        self._handles.clear()
        self.segment.close()


class Bell:
    """Where one stage sleeps: its bell, and what it looks at before it does."""

    def __init__(self, doorbells: Doorbells, number: int) -> None:
        if not 0 <= number < BELLS:
            raise ValueError(f"bell {number} is not in 0..{BELLS - 1}")
        self.doorbells = doorbells
        self.number = number
        self._pairs: dict[tuple[int, int], Any] = {}
        self._tables: dict[tuple[tuple[int, int], ...], np.ndarray[Any, Any]] = {}
        self._look_at_pairs()

    def watch(self, shared_address: int, own_address: int, keep: Any = None) -> None:
        """Never sleep while the word at `shared_address` is above the one at `own_address`; `keep` is kept alive."""
        self._pairs[shared_address, own_address] = keep
        self._look_at_pairs()

    def ignore(self, shared_address: int, own_address: int) -> None:
        """Do not look at that pair any more."""
        self._pairs.pop((shared_address, own_address), None)
        self._look_at_pairs()

    def _look_at_pairs(self) -> None:
        """Tables that were in use stay: another thread may be on its way into sleep with one."""
        pairs = tuple(self._pairs)
        table = self._tables.setdefault(pairs, np.array(pairs, np.uint64).ravel())
        self._watched = int(table.ctypes.data), len(pairs)

    def wait(self, timeout_ns: int = MAX_SLEEP_NS) -> bool:
        """Sleep until news, a ring, or `timeout_ns`. True when there was news before falling asleep."""
        address, pairs = self._watched
        return bool(bell_sleep(self.doorbells.wake, self.number, address, pairs, timeout_ns))
