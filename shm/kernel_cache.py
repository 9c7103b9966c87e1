"""Where compiled kernels are kept between runs.

numba's own disk cache looks at the file of a function only: a helper, a layout or a constant that is edited in another
file is not noticed, and stale machine code would trade. So the folder's name holds the hash of all kernel sources of the
project and of everything that they import from it, the versions of numba and Python and the name of the CPU: any edit is
another folder. A stage that is started again hashes again, for the sources may be others by then. Old folders are removed
when they are the oldest of more than eight.

Standard library only: it runs before numba is imported.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import sys
from functools import lru_cache
from importlib import metadata
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
KERNEL_FOLDERS = ("shm", "runtime", "profitdll", "ingest", "features", "agents", "models", "exchange", "execution", "benchmarks")
KEPT_FOLDERS = 8
_IMPORTS = re.compile(rb"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)|import[ \t]+([\w.]+))", re.MULTILINE)
_NAME = re.compile(rb"\w+")
_COMPILES = re.compile(rb"^[ \t]*(?:from[ \t]+(?:shm\.jit|numba|llvmlite)|import[ \t]+(?:numba|llvmlite))\b", re.MULTILINE)


def cache_root() -> Path:
    """The user's cache folder; `QT_CACHE_DIR` overrides it."""
    if chosen := os.environ.get("QT_CACHE_DIR"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "quantumtrader" / "kernels"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "quantumtrader" / "kernels"


def kernel_sources() -> list[Path]:
    """Every project file that holds compiled code, in a fixed order."""
    found = []
    for folder in KERNEL_FOLDERS:
        for path in sorted((PROJECT / folder).rglob("*.py")):
            if path.name == "layouts.py" or _COMPILES.search(path.read_bytes()):
                found.append(path)
    return found


def frozen_sources() -> list[Path]:
    """Kernel sources and all that they import from the project, directly or not: a kernel freezes constants of it.

    Of the benchmarks only their own kernels: nothing trades on them.
    """
    benchmarks = PROJECT / "benchmarks"
    waiting = kernel_sources()
    found = {path for path in waiting if benchmarks in path.parents}
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imported(path.read_bytes())
    return sorted(found)


def _imported(text: bytes) -> list[Path]:
    """Files of the project that a source imports, packages' own files included."""
    files = []
    for module, names, plain in _IMPORTS.findall(text):
        dotted = (module or plain).decode()
        if os.path.isdir(os.path.join(PROJECT, dotted.partition(".")[0])):
            for each in (dotted, *(f"{dotted}.{name.decode()}" for name in _NAME.findall(names))):
                files += _files(PROJECT, each)
    return files


@lru_cache(maxsize=4096)
def _files(project: Path, dotted: str) -> list[Path]:
    """Those of one module, its packages' included."""
    place = os.fspath(project)
    files = []
    for part in dotted.split("."):
        place = os.path.join(place, part)
        files.append(os.path.join(place, "__init__.py"))
    return [Path(path) for path in (*files, place + ".py") if os.path.isfile(path)]


def fingerprint() -> str:
    """Hash of `frozen_sources`, numba, llvmlite, Python and CPU: 20 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in frozen_sources():
        digest.update(str(path.relative_to(PROJECT)).encode())
        digest.update(path.read_bytes())
    for part in (
        metadata.version("numba"),
        metadata.version("llvmlite"),
        metadata.version("numpy"),
        sys.version,
        platform.machine() + _cpu_name(),
        str(PROJECT),
    ):
        digest.update(part.encode())
    return digest.hexdigest()[:20]


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith(("model name", "flags")):
                    return line
    except OSError:  # not Linux: the processor string has to do
        pass
    return platform.processor()


def configure() -> Path:
    """Point numba at this source tree's folder. Call before importing numba; returns the folder."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen and Path(chosen).parent != cache_root():
        return Path(chosen)  # a person's choice, not a parent's
    folder = cache_root() / fingerprint()
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _remove_oldest(cache_root())
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    return folder


def _remove_oldest(root: Path) -> None:
    folders = sorted((p for p in root.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
    for old in folders[:-KEPT_FOLDERS]:
        shutil.rmtree(old, ignore_errors=True)
