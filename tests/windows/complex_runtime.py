"""Makes a C runtime for Wine whose complex functions work: `python complex_runtime.py WINE_UCRTBASE OUT_FOLDER`.

numpy's Windows wheel calls the C99 complex functions while it is imported; the ucrtbase.dll of Wine 8 only has markers in
their place that end the program. Made here are two files for the prefix's system32:

    wucrt.dll      Wine's own library, without the mark by which Wine would refuse it under another name
    ucrtbase.dll   the complex functions; every other name is forwarded to wucrt.dll

It runs on the Linux side, with the compiler of the ziglang wheel, and touches nothing but OUT_FOLDER.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

MARK = b"Wine builtin DLL"
MARK_OFFSET = 0x40
TO_COMPLEX = ["cacos", "cacosh", "casin", "casinh", "catan", "catanh", "ccos", "ccosh", "cexp", "clog", "conj", "cproj", "csin", "csinh", "csqrt", "ctan", "ctanh"]
TO_REAL = ["cabs", "carg", "creal", "cimag"]
WIDTHS = (("", "Double"), ("f", "Float"), ("l", "Double"))  # long double is double in this runtime

HEAD = """
#include <complex.h>
typedef struct { double re, im; } Double;
typedef struct { float re, im; } Float;
#define UNPACKED(z) __builtin_complex((double)(z).re, (double)(z).im)
#define PACKED(type, value) ({ double _Complex v = (value); (type){creal(v), cimag(v)}; })
"""


def exports(library: bytes) -> Iterator[str]:
    """Names that a 64-bit PE file exports."""
    headers = struct.unpack_from("<I", library, 0x3C)[0]
    section_count, optional_size = struct.unpack_from("<H12xH", library, headers + 6)
    sections = [
        struct.unpack_from("<8xIIII", library, headers + 24 + optional_size + 40 * number)
        for number in range(section_count)
    ]

    def place(address: int) -> int:
        for _, start, size, offset in sections:
            if start <= address < start + size:
                return int(address - start + offset)
        raise ValueError(f"address {address:#x} is in no section")

    table = place(struct.unpack_from("<I", library, headers + 24 + 112)[0])
    count, _, names = struct.unpack_from("<III", library, table + 24)
    for number in range(count):
        start = place(struct.unpack_from("<I", library, place(names) + 4 * number)[0])
        yield library[start : library.index(b"\0", start)].decode("ascii")


def functions() -> Iterator[tuple[str, str]]:
    """(exported name, C source of `made_NAME`) of each complex function."""
    for suffix, kind in WIDTHS:
        real = "float" if kind == "Float" else "double"
        for name in TO_COMPLEX:
            body = f"return PACKED({kind}, {name}(UNPACKED(z)));"
            yield name + suffix, f"{kind} made_{name}{suffix}({kind} z) {{ {body} }}"
        for name in TO_REAL:
            body = f"return ({real}){name}(UNPACKED(z));"
            yield name + suffix, f"{real} made_{name}{suffix}({kind} z) {{ {body} }}"
        body = f"double _Complex v = UNPACKED(z); return ({real})(creal(v) * creal(v) + cimag(v) * cimag(v));"
        yield "norm" + suffix, f"{real} made_norm{suffix}({kind} z) {{ {body} }}"
        body = f"return PACKED({kind}, clog(UNPACKED(z)) / 2.302585092994045684);"
        yield "clog10" + suffix, f"{kind} made_clog10{suffix}({kind} z) {{ {body} }}"
        body = f"return PACKED({kind}, cpow(UNPACKED(z), UNPACKED(y)));"
        yield "cpow" + suffix, f"{kind} made_cpow{suffix}({kind} z, {kind} y) {{ {body} }}"


def make(original: Path, folder: Path) -> None:
    """Write wucrt.dll and ucrtbase.dll into `folder`. Raises CalledProcessError with the compiler's words."""
    library = original.read_bytes()
    if library[MARK_OFFSET : MARK_OFFSET + len(MARK)] != MARK:
        raise SystemExit(f"{original} is not one of Wine's own libraries")
    (folder / "wucrt.dll").write_bytes(library[:MARK_OFFSET] + bytes(len(MARK)) + library[MARK_OFFSET + len(MARK) :])
    made = dict(functions())
    lines = ['LIBRARY "ucrtbase.dll"', "EXPORTS"]
    lines += [f'"{name}" = {"made_" if name in made else "wucrt."}{name}' for name in exports(library)]
    definition, source = folder / "ucrtbase.def", folder / "complex.c"
    definition.write_text("\n".join(lines) + "\n", encoding="ascii")
    source.write_text(HEAD + "\n".join(made.values()) + "\n", encoding="ascii")
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-windows-gnu", "-O1", "-fno-builtin", "-shared"]
    subprocess.run([*compiler, str(source), str(definition), "-o", str(folder / "ucrtbase.dll")], check=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]))
