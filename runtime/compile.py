"""Compiles every kernel of the project once, with progress, before the first stage starts.

Each stage imports its kernels with explicit signatures, so a cold cache would cost every stage the same minute at the
same time. One process fills the cache first; the stages then load machine code from it. A marker in the cache
folder (whose name is the hash of all kernel sources) says that it is complete.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from shm import kernel_cache

MARKER = "complete"


def kernel_modules() -> list[str]:
    """Modules of live stages that compile at import, in an order that follows their folders."""
    modules = []
    for path in kernel_cache.kernel_sources():
        relative = path.relative_to(kernel_cache.PROJECT)
        if relative.parts[0] == "benchmarks" or "training" in relative.parts or path.name == "layouts.py":
            continue
        if b"shm.jit import" in path.read_bytes():
            modules.append(".".join(relative.with_suffix("").parts))
    return modules


def is_complete(folder: Path) -> bool:
    return (folder / MARKER).exists()


def compile_all(progress: Callable[[str], None]) -> None:
    """Fill the kernel cache. `progress` gets a line for each module. Raises RuntimeError when a module fails."""
    folder = kernel_cache.configure()
    if is_complete(folder):
        return
    for line in _run_compiler():
        progress(line)
    (folder / MARKER).write_text("", encoding="ascii")


@contextlib.contextmanager
def announce(part: str, folder: Path, tell: Callable[[str], object]) -> Iterator[None]:
    """Around the import of one part of the project: says that it compiles, when it does for the first time."""
    done = folder / f"{part}-complete"
    if not is_complete(folder) and not done.exists():
        tell(f"compiling {part}: only its first start does, for about half a minute\n")
    yield
    done.write_text("", encoding="ascii")


def _run_compiler() -> Iterator[str]:
    command = [sys.executable, "-m", "runtime.compile"]
    last = ""
    with subprocess.Popen(
        command, cwd=kernel_cache.PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last = line.rstrip()
            if last.startswith("compiling"):
                yield last
    if process.returncode != 0:
        raise RuntimeError(f"the kernels could not be compiled: {last}")


def main() -> int:
    from importlib import import_module

    modules = kernel_modules()
    for number, module in enumerate(modules, 1):
        sys.stdout.write(f"compiling kernels {number}/{len(modules)}: {module}\n")
        sys.stdout.flush()
        import_module(module)
    return 0


if __name__ == "__main__":
    sys.exit(main())
