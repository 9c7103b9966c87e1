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
TO_COMPLEX = ("acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "exp", "log", "log10", "proj", "sin",
              "sinh", "sqrt", "tan", "tanh")  # fmt: skip
TO_REAL = {"cabs": "abs", "carg": "arg", "creal": "real", "cimag": "imag", "norm": "norm"}
WIDTHS = (("", "Double"), ("f", "Float"), ("l", "Double"))  # long double is double in this runtime

# The compiler's own complex functions would come from ucrtbase.dll: from this very library. So: the textbook's formulas,
# from real functions only. Values far out are not as good as a real runtime's; nothing in this project is complex.
HEAD = """
#include <math.h>
typedef struct { double re, im; } Double;
typedef struct { float re, im; } Float;
typedef double _Complex C;
static C of(double re, double im) { return __builtin_complex(re, im); }
static double c_real(C z) { return __real__ z; }
static double c_imag(C z) { return __imag__ z; }
static double c_abs(C z) { return hypot(__real__ z, __imag__ z); }
static double c_arg(C z) { return atan2(__imag__ z, __real__ z); }
static double c_norm(C z) { return __real__ z * __real__ z + __imag__ z * __imag__ z; }
static C c_conj(C z) { return of(__real__ z, -__imag__ z); }
static C c_proj(C z) { return isinf(__real__ z) || isinf(__imag__ z) ? of(INFINITY, copysign(0, __imag__ z)) : z; }
static C c_exp(C z) { double r = exp(__real__ z); return of(r * cos(__imag__ z), r * sin(__imag__ z)); }
static C c_log(C z) { return of(log(c_abs(z)), c_arg(z)); }
static C c_log10(C z) { return c_log(z) / 2.302585092994045684; }
static C c_pow(C z, C y) { return c_abs(z) == 0 ? of(c_abs(y) == 0, 0) : c_exp(y * c_log(z)); }
static C c_sqrt(C z) {
    double t = sqrt((fabs(__real__ z) + c_abs(z)) / 2);
    if (t == 0) return of(0, __imag__ z);
    if (__real__ z >= 0) return of(t, __imag__ z / (2 * t));
    return of(fabs(__imag__ z) / (2 * t), copysign(t, __imag__ z));
}
static C c_sinh(C z) { return of(sinh(__real__ z) * cos(__imag__ z), cosh(__real__ z) * sin(__imag__ z)); }
static C c_cosh(C z) { return of(cosh(__real__ z) * cos(__imag__ z), sinh(__real__ z) * sin(__imag__ z)); }
static C c_tanh(C z) { return c_sinh(z) / c_cosh(z); }
static C c_asinh(C z) { return c_log(z + c_sqrt(z * z + 1)); }
static C c_acosh(C z) { return c_log(z + c_sqrt(z + 1) * c_sqrt(z - 1)); }
static C c_atanh(C z) { return c_log((1 + z) / (1 - z)) / 2; }
static C turned(C z) { return of(-__imag__ z, __real__ z); }
static C back(C z) { return of(__imag__ z, -__real__ z); }
static C c_sin(C z) { return back(c_sinh(turned(z))); }
static C c_cos(C z) { return c_cosh(turned(z)); }
static C c_tan(C z) { return back(c_tanh(turned(z))); }
static C c_asin(C z) { return back(c_asinh(turned(z))); }
static C c_acos(C z) { return 1.5707963267948966 - c_asin(z); }
static C c_atan(C z) { return back(c_atanh(turned(z))); }
#define IN(z) of((z).re, (z).im)
#define OUT(type, value) C v = value; return (type){__real__ v, __imag__ v}
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
            yield f"c{name}{suffix}", f"{kind} made_c{name}{suffix}({kind} z) {{ OUT({kind}, c_{name}(IN(z))); }}"
        for export, name in TO_REAL.items():
            yield export + suffix, f"{real} made_{export}{suffix}({kind} z) {{ return c_{name}(IN(z)); }}"
        yield f"conj{suffix}", f"{kind} made_conj{suffix}({kind} z) {{ OUT({kind}, c_conj(IN(z))); }}"
        yield f"cpow{suffix}", f"{kind} made_cpow{suffix}({kind} z, {kind} y) {{ OUT({kind}, c_pow(IN(z), IN(y))); }}"


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
    compiler = [
        sys.executable,
        "-m",
        "ziglang",
        "cc",
        "-target",
        "x86_64-windows-gnu",
        "-O1",
        "-fno-builtin",
        "-shared",
    ]
    subprocess.run([*compiler, str(source), str(definition), "-o", str(folder / "ucrtbase.dll")], check=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]))
