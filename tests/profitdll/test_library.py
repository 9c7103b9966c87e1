"""Loading: what is refused, and with which words."""

from __future__ import annotations

import ctypes
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from exchange.profitsim import build
from profitdll import library as lib
from profitdll.errors import DllNotFound, MissingExport, WrongBitness
from profitdll.prototypes import FUNCTIONS
from tests import compilers


def pe_header(machine: int) -> bytes:
    return (
        b"MZ" + bytes(58) + struct.pack("<I", 0x80) + bytes(0x40) + b"PE\0\0" + struct.pack("<H", machine) + bytes(64)
    )


def written(folder: Path, content: bytes, name: str = "ProfitDLL.dll") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_the_32_bit_library_is_refused_with_the_right_one_named(tmp_path: Path) -> None:
    with pytest.raises(WrongBitness, match=r"32-bit x86 library; take ProfitDLL64\.dll"):
        lib.load(written(tmp_path, pe_header(0x014C)))


def test_other_processors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongBitness, match="64-bit ARM"):
        lib.load(written(tmp_path, pe_header(0xAA64)))
    with pytest.raises(WrongBitness, match="machine 0x01C4"):
        lib.load(written(tmp_path, pe_header(0x01C4)))


@pytest.mark.skipif(sys.platform == "win32", reason="there it is the right one")
def test_a_windows_library_on_linux_says_so(tmp_path: Path) -> None:
    with pytest.raises(DllNotFound, match="is a Windows library and this is linux"):
        lib.load(written(tmp_path, pe_header(0x8664)))


@pytest.mark.skipif(sys.platform == "win32", reason="ELF")
def test_a_32_bit_elf_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongBitness, match="both must be 64-bit"):
        lib.load(written(tmp_path, b"\x7fELF\x01\x01\x01" + bytes(64)))


@pytest.mark.parametrize(
    "content", [b"", b"MZ", b"MZ" + bytes(100), b"#!/bin/sh\n", b"MZ" + bytes(58) + b"\xff\xff\xff\xff"]
)
def test_what_is_no_library_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DllNotFound):
        lib.load(written(tmp_path, content))


def test_a_header_without_a_body_is_refused_by_the_system_in_our_words(tmp_path: Path) -> None:
    content = pe_header(0x8664) if sys.platform == "win32" else b"\x7fELF\x02\x01\x01" + bytes(64)
    with pytest.raises(DllNotFound, match="the system cannot load"):
        lib.load(written(tmp_path, content))


def test_a_wrong_path_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(DllNotFound, match=r"set dll\.path"):
        lib.load(tmp_path / "nothing.dll")
    with pytest.raises(DllNotFound, match="must be absolute"):
        lib.load("ProfitDLL64.dll")


def test_a_simulator_that_is_not_built_says_how(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lib, "simulator_path", lambda: tmp_path / "profitsim.so")
    with pytest.raises(DllNotFound, match=r"python -m exchange\.profitsim\.build"):
        lib.load()


def test_a_missing_export_is_named(tmp_path: Path) -> None:
    source = written(tmp_path, b"int DLLFinalize(void) { return 0; }\n", "partial.c")
    output = tmp_path / build.output_path(build.host_target()).name
    command = [*compilers.of_this_system(), "-shared", "-fPIC", str(source), "-o", str(output)]
    subprocess.run(command, check=True, timeout=120)
    with pytest.raises(MissingExport, match="has no function DLLInitializeMarketLogin"):
        lib.load(output)


def test_every_function_is_typed_and_has_an_address() -> None:
    loaded = lib.load(build.build_if_stale())
    assert loaded.is_simulated
    assert loaded.path == lib.simulator_path()
    addresses = {name: loaded.address(name) for name in FUNCTIONS}
    assert all(addresses.values())
    assert len({addresses[name] for name in ("TranslateTrade", "GetPriceGroup", "GetPriceDepthSideCount")}) == 3
    assert loaded.dll.SendOrder.restype is ctypes.c_int64
    with pytest.raises(MissingExport):
        loaded.address("NoSuchExport")


def test_an_address_can_be_called_without_the_library_object() -> None:
    loaded = lib.load(build.build_if_stale())
    finalize = ctypes.CFUNCTYPE(ctypes.c_int32)(loaded.address("DLLFinalize"))
    assert finalize() == loaded.dll.DLLFinalize()
