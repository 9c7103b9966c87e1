"""Sizes and offsets: a C compiler's word on the headers against ctypes and against the wire's numpy dtypes."""

from __future__ import annotations

import ctypes
import subprocess
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
}
WIRE_TYPES = {
    name: getattr(protocol, name.removeprefix("WIRE_").replace("SEND", "SEND_ORDER").replace("CHANGE", "CHANGE_ORDER"))
    for name in ("WIRE_LOGIN", "WIRE_SUBSCRIBE", "WIRE_HISTORY", "WIRE_SEND", "WIRE_CHANGE", "WIRE_CANCEL_ALL",
                 "WIRE_LOGIN_REPLY", "WIRE_ACCOUNT", "WIRE_INSTRUMENT", "WIRE_LOGIN_DONE", "WIRE_CLOCK", "WIRE_TRADE",
                 "WIRE_BOOK", "WIRE_HISTORY_TRADE", "WIRE_HISTORY_END", "WIRE_ORDER", "WIRE_POSITION",
                 "WIRE_TICKER_STATE", "WIRE_STATE",
                 "WIRE_FAULT", "WIRE_FAULT_DETAILS", "WIRE_FAULT_ABORT", "WIRE_FAULT_GROUPS", "WIRE_FAULT_FULL_BOOK",
                 "WIRE_FAULT_OFFERS")
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


def compiled_layout(names: list[str], folder: Path, *flags: str) -> Layout:
    """Ask the compiler for every size and offset in `names`, and for the wire's message numbers."""
    lines = ['#include <stdio.h>\n#include "profitsim.h"\n#include "wire.h"\nint main(void) {']
    for name in names:
        struct, _, field = name.partition(".")
        what = f"offsetof({struct}, {field})" if field else (name if name.isupper() else f"sizeof({name})")
        lines.append(f'    printf("{name} %d\\n", (int){what});')
    source = folder / "layout.c"
    source.write_text("\n".join([*lines, "    return 0;", "}"]), encoding="ascii")
    program = folder / "layout.exe"
    command = [*compilers.of_this_system(), "-std=c11", "-Wno-unused", *flags, "-I", str(build.FOLDER)]
    subprocess.run([*command, str(source), "-o", str(program)], check=True, timeout=120)
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


def test_the_headers_say_what_ctypes_and_the_wire_say(tmp_path: Path) -> None:
    expected = ctypes_layout(DLL_STRUCTS) | dtype_layout() | WIRE_TYPES
    assert len(expected) > 300
    assert compiled_layout(list(expected), tmp_path) == expected


@pytest.mark.skipif(build.host_target() == "windows", reason="wchar_t has 2 bytes here anyway")
def test_the_same_holds_with_the_characters_of_windows(tmp_path: Path) -> None:
    made: dict[Any, Any] = {}
    expected = ctypes_layout({name: with_narrow_characters(kind, made) for name, kind in DLL_STRUCTS.items()})
    assert expected["TConnectorAccountIdentifierOut"] == 424
    assert compiled_layout(list(expected), tmp_path, "-fshort-wchar") == expected


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
