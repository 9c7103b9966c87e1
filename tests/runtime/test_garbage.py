"""Cycles are freed in idle moments, or when there are too many, and the collector is as before after the loop."""

from __future__ import annotations

import gc
import weakref

from runtime.garbage import TOO_MANY, YOUNG, OwnTime


class Knot:
    """Refers to itself, so only the collector frees it."""

    def __init__(self) -> None:
        self.self = self


def tie(count: int) -> weakref.ref[Knot]:
    first = Knot()
    watched = weakref.ref(first)
    kept = [Knot() for _ in range(count)]
    assert len(kept) == count
    return watched


def test_the_loop_frees_cycles_only_when_it_is_idle() -> None:
    with OwnTime() as garbage:
        assert not gc.isenabled()
        watched = tie(YOUNG)
        garbage.look(idle=False)
        assert watched() is not None, "work goes on: nothing is collected"
        garbage.look(idle=True)
        assert watched() is None


def test_few_objects_are_not_worth_it() -> None:
    with OwnTime() as garbage:
        watched = tie(10)
        garbage.look(idle=True)
        assert watched() is not None


def test_a_loop_that_is_never_idle_collects_all_the_same() -> None:
    with OwnTime() as garbage:
        watched = tie(TOO_MANY)
        garbage.look(idle=False)
        assert watched() is None


def test_a_guest_leaves_it_to_its_host() -> None:
    with OwnTime() as host, OwnTime(mine=False) as guest:
        watched = tie(TOO_MANY)
        guest.look(idle=True)
        assert watched() is not None
        host.look(idle=True)
        assert watched() is None
    with OwnTime(mine=False):
        assert gc.isenabled() and gc.get_freeze_count() == 0


def test_what_was_before_the_loop_is_after_it() -> None:
    assert gc.isenabled()
    with OwnTime():
        assert gc.get_freeze_count() > 0
    assert gc.isenabled() and gc.get_freeze_count() == 0
    gc.disable()
    try:
        with OwnTime():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
