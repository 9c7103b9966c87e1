"""Where compiled kernels are kept between runs.

numba's own disk cache looks at the file of a function only: a helper that is edited in another file is not noticed,
and stale machine code would trade. So the folder's name holds the hash of all kernel sources of the project, the
versions of numba and Python and the name of the CPU: any edit is another folder. Old folders are removed when
they are the oldest of more than eight.

Standard library only: it runs before numba is imported.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
KERNEL_FOLDERS = ("shm", "runtime", "profitdll", "ingest", "features", "agents", "models", "exchange", "execution", "benchmarks")
KEPT_FOLDERS = 8


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
            text = path.read_bytes()
            if b"shm.jit" in text or b"numba" in text or path.name == "layouts.py":
                found.append(path)
    return found


def fingerprint() -> str:
    """Hash of all kernel sources, numba, llvmlite, Python and CPU: 20 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in kernel_sources():
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
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(chosen)
    folder = cache_root() / fingerprint()
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _remove_oldest(cache_root())
    os.environ["NUMBA_CACHE_DIR"] = str(folder)  # child processes inherit it, and need not hash again
    return folder


def _remove_oldest(root: Path) -> None:
    folders = sorted((p for p in root.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
    for old in folders[:-KEPT_FOLDERS]:
        shutil.rmtree(old, ignore_errors=True)
