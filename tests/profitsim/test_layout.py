"""Sizes and offsets of both interfaces: what layout.c asserts, ctypes, and the wire's numpy records must agree.

The numbers in layout.c are asserted by whatever compiles the library, for Linux and for Windows; here ctypes is held
against them on the system that runs the tests, and the compiler of Windows is asked on Linux too where it is installed.
"""

from __future__ import annotations

import ctypes
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exchange import protocol
from exchange.profitsim import build
from profitdll import structs
from tests import compilers

DLL_STRUCTS = {
    name: kind
    for name, kind in vars(structs).items()
    if isinstance(kind, type) and issubclass(kind, ctypes.Structure) and kind is not ctypes.Structure
}
WIRE_STRUCTS = {
    "wire_header": protocol.HEADER,
    "wire_login": protocol.LOGIN_BODY,
    "wire_subscribe": protocol.SUBSCRIBE_BODY,
    "wire_history": protocol.HISTORY_BODY,
    "wire_send_order": protocol.SEND_BODY,
    "wire_change": protocol.CHANGE_BODY,
    "wire_cancel": protocol.CANCEL_BODY,
    "wire_cancel_all": protocol.CANCEL_ALL_BODY,
    "wire_zero": protocol.ZERO_BODY,
    "wire_login_reply": protocol.LOGIN_REPLY_BODY,
    "wire_account": protocol.ACCOUNT_BODY,
    "wire_instrument": protocol.INSTRUMENT_BODY,
    "wire_login_done": protocol.LOGIN_DONE_BODY,
    "wire_clock": protocol.CLOCK_BODY,
    "wire_trade": protocol.TRADE_BODY,
    "wire_history_end": protocol.HISTORY_END_BODY,
    "wire_book": protocol.BOOK_BODY,
    "wire_order": protocol.ORDER_BODY,
    "wire_position": protocol.POSITION_BODY,
    "wire_ticker_state": protocol.TICKER_STATE_BODY,
    "wire_state": protocol.STATE_BODY,
    "wire_fault": protocol.FAULT_BODY,
    "wire_daily": protocol.DAILY_BODY,
}
WIRE_TYPES = {
    name: getattr(protocol, name.removeprefix("WIRE_").replace("SEND", "SEND_ORDER").replace("CHANGE", "CHANGE_ORDER"))
    for name in ("WIRE_LOGIN", "WIRE_SUBSCRIBE", "WIRE_HISTORY", "WIRE_SEND", "WIRE_CHANGE", "WIRE_CANCEL_ALL",
                 "WIRE_LOGIN_REPLY", "WIRE_ACCOUNT", "WIRE_INSTRUMENT", "WIRE_LOGIN_DONE", "WIRE_CLOCK", "WIRE_TRADE",
                 "WIRE_BOOK", "WIRE_HISTORY_TRADE", "WIRE_HISTORY_END", "WIRE_ORDER", "WIRE_POSITION",
                 "WIRE_TICKER_STATE", "WIRE_STATE",
                 "WIRE_FAULT", "WIRE_FAULT_DETAILS", "WIRE_FAULT_ABORT", "WIRE_FAULT_GROUPS", "WIRE_FAULT_FULL_BOOK",
                 "WIRE_FAULT_OFFERS", "WIRE_DAILY")
} | {"WIRE_CANCEL": protocol.CANCEL_ORDER, "WIRE_ZERO": protocol.ZERO_POSITION}  # fmt: skip

Layout = dict[str, int]


def ctypes_layout(kinds: dict[str, Any]) -> Layout:
    found = {}
    for name, kind in kinds.items():
        found[name] = ctypes.sizeof(kind)
        found |= {f"{name}.{field}": getattr(kind, field).offset for field, *_ in kind._fields_}
    return found


def dtype_layout() -> Layout:
    found = {}
    for name, dtype in WIRE_STRUCTS.items():
        assert dtype.names is not None and dtype.fields is not None
        found[name] = dtype.itemsize
        found |= {f"{name}.{field}": dtype.fields[field][1] for field in dtype.names}
    return found


def compiled_numbers(names: list[str], folder: Path) -> dict[str, int]:
    """Ask the compiler for the values of these constants of wire.h."""
    lines = ['#include <stdio.h>\n#include "wire.h"\nint main(void) {']
    lines += [f'    printf("{name} %d\\n", (int){name});' for name in names]
    source = folder / "numbers.c"
    source.write_text("\n".join([*lines, "    return 0;", "}"]), encoding="ascii")
    program = folder / "numbers.exe"
    command = [*compilers.of_this_system(), "-std=c11", "-I", str(build.FOLDER), str(source), "-o", str(program)]
    subprocess.run(command, check=True, timeout=120)
    said = subprocess.run([str(program)], check=True, timeout=30, capture_output=True, text=True).stdout
    return {name: int(value) for name, value in (line.split() for line in said.splitlines())}


def with_narrow_characters(kind: Any, made: dict[Any, Any]) -> Any:
    """The same struct as a machine with 2-byte wchar_t lays it out."""
    if not (isinstance(kind, type) and issubclass(kind, ctypes.Structure)):
        return ctypes.c_uint16 * kind._length_ if getattr(kind, "_type_", None) is ctypes.c_wchar and hasattr(
            kind, "_length_") else kind  # fmt: skip
    if kind not in made:
        fields = [(name, with_narrow_characters(type_, made)) for name, type_ in kind._fields_]
        pack = {"_pack_": kind._pack_, "_layout_": "ms"} if hasattr(kind, "_pack_") else {}
        made[kind] = type(kind.__name__, (ctypes.Structure,), {**pack, "_fields_": fields})
    return made[kind]


def asserted_layout(narrow: bool) -> Layout:
    """The numbers of layout.c, for characters of 2 bytes or of 4."""
    found = {}
    for line in (build.FOLDER / "layout.c").read_text(encoding="ascii").splitlines():
        if entry := re.fullmatch(r"(SIZE|AT)\((\w+), (?:(\w+), )?(?:(\d+)|WIDE\((\d+), (\d+)\))\)", line):
            kind, struct, field, always, narrow_bytes, wide_bytes = entry.groups()
            assert (kind == "AT") == (field is not None)
            found[f"{struct}.{field}" if field else struct] = int(always or (narrow_bytes if narrow else wide_bytes))
    return found


def compiles(folder: Path, command: list[str], *flags: str) -> None:
    """layout.c and an assertion of each wire record pass that compiler. Nothing is linked, so any target will do."""
    lines = ['#include <stddef.h>\n#include "wire.h"']
    for name, value in dtype_layout().items():
        struct, _, field = name.partition(".")
        what = f"offsetof({struct}, {field})" if field else f"sizeof({struct})"
        lines.append(f'_Static_assert({what} == {value}, "{name}");')
    source = folder / "wire_layout.c"
    source.write_text("\n".join(lines) + "\n", encoding="ascii")
    for each in (source, build.FOLDER / "layout.c"):
        done = subprocess.run(
            [*command, "-std=c11", *flags, "-I", str(build.FOLDER), "-c", str(each), "-o", str(folder / "layout.o")],
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def test_ctypes_says_what_layout_c_asserts() -> None:
    narrow = ctypes.sizeof(ctypes.c_wchar) == 2
    assert ctypes_layout(DLL_STRUCTS) == asserted_layout(narrow)
    assert len(asserted_layout(narrow)) > 150


@pytest.mark.skipif(build.host_target() == "windows", reason="wchar_t has 2 bytes here anyway")
def test_ctypes_would_say_the_same_with_the_characters_of_windows() -> None:
    made: dict[Any, Any] = {}
    expected = ctypes_layout({name: with_narrow_characters(kind, made) for name, kind in DLL_STRUCTS.items()})
    assert expected == asserted_layout(narrow=True)
    assert expected["TConnectorAccountIdentifierOut"] == 424


def test_the_compiler_of_this_system_asserts_them(tmp_path: Path) -> None:
    compiles(tmp_path, compilers.of_this_system())


@pytest.mark.parametrize("target", sorted(build.ZIG_TARGETS))
def test_the_compiler_of_each_target_asserts_them(target: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("the compiler for other systems is not installed: pip install ziglang")
    compiles(tmp_path, [sys.executable, "-m", "ziglang", "cc", "-target", build.ZIG_TARGETS[target]])


def test_a_wrong_offset_is_not_compiled(tmp_path: Path) -> None:
    """The assertions bite: another packing of the same fields does not pass."""
    (tmp_path / "profitsim.h").write_text(
        (build.FOLDER / "profitsim.h")
        .read_text(encoding="ascii")
        .replace("#include <wchar.h>", "#pragma pack(push, 4)"),
        encoding="ascii",
    )
    (tmp_path / "layout.c").write_text((build.FOLDER / "layout.c").read_text(encoding="ascii"), encoding="ascii")
    command = [*compilers.of_this_system(), "-std=c11", "-c", str(tmp_path / "layout.c"), "-o", str(tmp_path / "l.o")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0 and "TConnectorTrade" in done.stderr


def test_the_wire_has_the_message_numbers_of_the_protocol(tmp_path: Path) -> None:
    assert compiled_numbers(list(WIRE_TYPES), tmp_path) == WIRE_TYPES


def test_documented_sizes() -> None:
    sizes = {name: ctypes.sizeof(kind) for name, kind in DLL_STRUCTS.items()}
    assert sizes["SystemTime"] == 16
    assert sizes["TAssetIDRec"] == 20
    assert sizes["TConnectorAssetIdentifier"] == 32
    assert sizes["TConnectorTrade"] == 64
    assert structs.TConnectorPriceGroup.quantity.offset == 24, "count is 4 bytes wide and a pad follows"


def test_no_struct_is_passed_in_a_register() -> None:
    """The lowered form holds only for sizes that Win64 passes by pointer."""
    assert not [name for name, kind in DLL_STRUCTS.items() if ctypes.sizeof(kind) in (1, 2, 4, 8)]


def test_every_wire_message_has_its_struct() -> None:
    bodies = {id(dtype) for dtype in protocol.BODIES.values()}
    assert bodies == {id(dtype) for name, dtype in WIRE_STRUCTS.items() if name != "wire_header"}
