"""Load ProfitDLL (or the simulated one) and give out its functions: typed for Python, as addresses for native code.

The file's header is read before the system's loader sees it, because the loader's own messages name neither the wrong
bitness nor the wrong system. Loading starts nothing: that is `profitdll.session`.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from pathlib import Path

from profitdll.errors import DllNotFound, MissingExport, WrongBitness
from profitdll.prototypes import FUNCTIONS

_PE_MACHINES = {0x014C: "32-bit x86", 0x8664: "64-bit x86", 0xAA64: "64-bit ARM"}
_HEADER_BYTES = 4096


class Library:
    """A loaded library. `dll.SendOrder(...)` and so on are typed ctypes functions that release the GIL."""

    def __init__(self, path: Path, dll: ctypes.CDLL) -> None:
        self.path = path
        self.dll = dll
        self.is_simulated = hasattr(dll, "profitsim_refused")
        for name, (restype, argtypes) in FUNCTIONS.items():
            try:
                function = getattr(dll, name)
            except AttributeError:
                raise MissingExport(str(path), name) from None
            function.restype = restype
            function.argtypes = argtypes

    def address(self, name: str) -> int:
        """The raw address of an export, for compiled code that calls it indirectly. Raises MissingExport."""
        if name not in FUNCTIONS:
            raise MissingExport(str(self.path), name)
        return ctypes.cast(getattr(self.dll, name), ctypes.c_void_p).value or 0


def simulator_path() -> Path:
    """Where the simulated library stands once it is built (it need not exist)."""
    name = "ProfitDLL64.dll" if sys.platform == "win32" else "profitsim.so"
    return Path(__file__).resolve().parent.parent / "exchange" / "profitsim" / name


def load(path: str | Path = "") -> Library:
    """Load a library by absolute path; an empty path is the simulated one.

    Raises DllNotFound (no such file, or not a library of this system), WrongBitness and MissingExport.
    """
    file = Path(path) if path else simulator_path()
    if not file.is_absolute():
        raise DllNotFound(f"the path of the DLL must be absolute, and {file} is not")
    if not file.is_file():
        mend = "set dll.path to where ProfitDLL64.dll is"
        if not path:
            mend = "build it with: python -m exchange.profitsim.build"
        raise DllNotFound(f"there is no library at {file}: {mend}")
    check_header(file)
    try:
        if sys.platform == "win32":
            dll: ctypes.CDLL = ctypes.WinDLL(str(file))
        else:
            dll = ctypes.CDLL(str(file))
    except OSError as error:
        raise DllNotFound(f"the system cannot load {file}: {error}") from error
    return Library(file, dll)


def check_header(file: Path) -> None:
    """Read the file's header and refuse what cannot be loaded here, with the reason. Raises as `load`."""
    with file.open("rb") as source:
        head = source.read(_HEADER_BYTES)
    if head[:2] == b"MZ":
        _check_pe(file, head)
    elif head[:4] == b"\x7fELF":
        _check_elf(file, head)
    else:
        raise DllNotFound(f"{file} is not a library: it has neither a PE nor an ELF header")


def _check_pe(file: Path, head: bytes) -> None:
    offset = struct.unpack_from("<I", head, 0x3C)[0] if len(head) >= 0x40 else len(head)
    if head[offset : offset + 4] != b"PE\0\0" or len(head) < offset + 6:
        raise DllNotFound(f"{file} is damaged: it begins like a Windows library but has no PE header")
    machine = struct.unpack_from("<H", head, offset + 4)[0]
    if machine != 0x8664:
        kind = _PE_MACHINES.get(machine, f"machine 0x{machine:04X}")
        raise WrongBitness(f"{file} is a {kind} library; take ProfitDLL64.dll, the 64-bit x86 one")
    if sys.platform != "win32":
        raise DllNotFound(f"{file} is a Windows library and this is {sys.platform}: leave dll.path empty to simulate")


def _check_elf(file: Path, head: bytes) -> None:
    if sys.platform == "win32":
        raise DllNotFound(f"{file} is a Linux library and this is Windows: take ProfitDLL64.dll")
    if head[4] != 2 or struct.calcsize("P") != 8:
        raise WrongBitness(f"{file} is a 32-bit library or this Python is: both must be 64-bit")
