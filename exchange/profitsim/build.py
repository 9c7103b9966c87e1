"""Compile the simulated ProfitDLL from the C sources beside this file, for this system or for Windows.

    python -m exchange.profitsim.build [--target windows] [--poison] [--sanitize] [--output FILE]

Standard library only, and imports nothing of the project: the build backend loads it by path before anything is
installed. The compiler is the one in the environment variable CC, else cc, gcc or clang, else the `ziglang` wheel. The result
replaces the old file in one step, so a running process keeps the library it has loaded.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PROBE = "#include <stdatomic.h>\n_Thread_local atomic_int here;\nint main(void) { return sizeof(void *) == 8 ? here : 1; }\n"
FLAGS = ("-std=c11", "-D_DEFAULT_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-shared")
POSIX_FLAGS = ("-fPIC", "-pthread")
WINDOWS_FLAGS = ("-lws2_32",)
SANITIZE_FLAGS = (
    "-fsanitize=address,undefined,float-cast-overflow",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
    "-O1",
)
POISON_FLAGS = ("-DPROFITSIM_POISON",)
ZIG_TARGETS = {"windows": "x86_64-windows-gnu", "linux": "x86_64-linux-gnu"}


class BuildError(Exception):
    """The library could not be compiled; the message says why and what mends it."""


def host_target() -> str:
    """The target that this Python can load: "windows" or "linux" (any POSIX system)."""
    return "windows" if sys.platform == "win32" else "linux"


def output_path(target: str) -> Path:
    """Where the library of a target stands."""
    return FOLDER / ("ProfitDLL64.dll" if target == "windows" else "profitsim.so")


def sources() -> list[Path]:
    return sorted(FOLDER.glob("*.c"))


def is_stale(target: str) -> bool:
    """Whether the library is missing or older than a source."""
    output = output_path(target)
    inputs = [*FOLDER.glob("*.[ch]"), Path(__file__)]
    return not output.is_file() or any(path.stat().st_mtime > output.stat().st_mtime for path in inputs)


def system_compiler() -> list[str] | None:
    """The first of CC, cc, gcc, clang that compiles a C11 program for a 64-bit machine, or None."""
    named = os.environ.get("CC", "")
    candidates = [shlex.split(named, posix=sys.platform != "win32")] if named else []
    candidates += [["cc"], ["gcc"], ["clang"]]
    for command in candidates:
        if shutil.which(command[0]) and _works(command):
            return command
    return None


def _works(command: list[str]) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "probe.c"
        source.write_text(PROBE + ("#include <winsock2.h>\n" if sys.platform == "win32" else ""), encoding="ascii")
        program = Path(folder) / "probe.exe"
        built = subprocess.run(
            [*command, "-std=c11", str(source), "-o", str(program)], capture_output=True, check=False
        )
        return built.returncode == 0 and subprocess.run([str(program)], check=False).returncode == 0


def compiler(target: str) -> list[str]:
    """The command for a target. Raises BuildError when there is none."""
    if target == host_target() and (found := system_compiler()):
        return found
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc", "-target", ZIG_TARGETS[target]]
    wanted = f"C compiler for {target}"
    if target == host_target():
        wanted += ": install gcc or clang (or set CC)"
    raise BuildError(f"there is no {wanted}; the ziglang wheel is one that needs no installation: pip install ziglang")


def build(target: str = "", *, sanitize: bool = False, poison: bool = False, output: Path | None = None) -> Path:
    """Compile. Returns the library's path. Raises BuildError with the compiler's own words.

    poison: what a callback was lent is overwritten when it returns. sanitize: with AddressSanitizer and UBSan, of which
    the first finding ends the process. Neither is ever the default.
    """
    target = target or host_target()
    final = output or output_path(target)
    flags = [*FLAGS, *(SANITIZE_FLAGS if sanitize else ()), *(POISON_FLAGS if poison else ())]
    tail = WINDOWS_FLAGS if target == "windows" else POSIX_FLAGS
    with tempfile.TemporaryDirectory(dir=final.parent, prefix="build-") as folder:  # linkers leave files beside theirs
        made = Path(folder) / final.name
        command = [*compiler(target), *flags, *map(str, sources()), "-o", str(made), *tail]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise BuildError(f"{' '.join(command)}\nfailed:\n{result.stderr}")
        try:
            os.replace(made, final)
        except PermissionError as error:
            raise BuildError(f"{final} is in use: stop the run that uses it, then build again") from error
    return final


def build_if_stale(target: str = "") -> Path:
    """Compile only when a source is newer than the library."""
    target = target or host_target()
    return build(target) if is_stale(target) else output_path(target)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="exchange.profitsim.build", description="compile the simulated ProfitDLL")
    parser.add_argument("--target", choices=sorted(ZIG_TARGETS), default=host_target())
    parser.add_argument("--sanitize", action="store_true", help="with address and undefined-behaviour checks")
    parser.add_argument("--poison", action="store_true", help="overwrite what callbacks were lent when they return")
    parser.add_argument("--output", type=Path, help="where to write it (default: beside the sources)")
    chosen = parser.parse_args(arguments)
    try:
        path = build(chosen.target, sanitize=chosen.sanitize, poison=chosen.poison, output=chosen.output)
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
