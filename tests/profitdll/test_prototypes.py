"""The tables of functions and callbacks against the notes of the interface."""

from __future__ import annotations

import ctypes

from profitdll import prototypes as p


def test_every_argument_is_a_number_or_a_pointer() -> None:
    """Nothing is passed by value that Win64 would pass by hidden pointer."""
    for name, (_, argtypes) in p.FUNCTIONS.items():
        assert all(ctypes.sizeof(kind) <= 8 for kind in argtypes), name
        assert not [kind for kind in argtypes if issubclass(kind, ctypes.Structure)], name


def test_slots_of_the_logins() -> None:
    assert len(p.FUNCTIONS["DLLInitializeMarketLogin"].argtypes) == 11
    assert len(p.FUNCTIONS["DLLInitializeLogin"].argtypes) == 14


def test_results() -> None:
    wide = {name for name, (restype, _) in p.FUNCTIONS.items() if restype is ctypes.c_int64}
    assert wide == {"SendOrder", "SendZeroPositionV2"}
    assert all(restype in (ctypes.c_int32, ctypes.c_int64) for restype, _ in p.FUNCTIONS.values())


def test_setters_take_an_address() -> None:
    assert set(p.SETTERS) <= set(p.FUNCTIONS)
    assert all(p.FUNCTIONS[name].argtypes == (ctypes.c_void_p,) for name in p.SETTERS)


def test_the_daily_callback_has_all_its_numbers() -> None:
    heard = []
    callback = p.DailyCallback(lambda *arguments: heard.append(arguments))
    callback(None, "01/02/2026", *[float(n) for n in range(10)], *range(7))
    assert heard[0][1:] == ("01/02/2026", *[float(n) for n in range(10)], *range(7))
