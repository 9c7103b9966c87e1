"""The build backend: setuptools, and before it the C compiler, so that a wheel holds the simulated ProfitDLL compiled.

It stands apart from the packages because pip runs it before anything is installed. It must never need more than the
standard library and setuptools; a C compiler in a wheel (`ziglang`) is asked for only where the system has none.
"""

from __future__ import annotations

import importlib.util
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403  the hooks that need no change: sdist, metadata

PROJECT = Path(__file__).resolve().parent.parent
Settings = dict[str, Any] | None


def _simulator() -> ModuleType:
    """exchange/profitsim/build.py, by its path: the package is not importable yet."""
    spec = importlib.util.spec_from_file_location("profitsim_build", PROJECT / "exchange" / "profitsim" / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _compiler_requirement() -> list[str]:
    return [] if _simulator().system_compiler() else ["ziglang>=0.14"]


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    return build_meta.get_requires_for_build_wheel(config_settings) + _compiler_requirement()


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    return build_meta.get_requires_for_build_editable(config_settings) + _compiler_requirement()


def build_wheel(directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """Tagged py3-none-PLATFORM: the Python is pure, the library beside it is not."""
    _simulator().build()
    settings = dict(config_settings or {})
    options = settings.get("--build-option", [])
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    settings["--build-option"] = [*([options] if isinstance(options, str) else options), f"--plat-name={platform}"]
    return build_meta.build_wheel(directory, settings, metadata_directory)


def build_editable(directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """The packages stay in this folder, and so does the library."""
    _simulator().build()
    return build_meta.build_editable(directory, config_settings, metadata_directory)
