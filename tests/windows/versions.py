"""Says what runs here: system, interpreter, packages. For the head of a Windows result."""

from __future__ import annotations

import platform
import sys
from importlib import metadata

PACKAGES = ("numpy", "numba", "llvmlite", "pyzmq", "msgspec", "nanoarrow", "psutil", "tzdata", "pyarrow", "pytest")

sys.stdout.write(f"{platform.platform()}, CPython {platform.python_version()} {platform.machine()}\n")
sys.stdout.write(", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES) + "\n")
