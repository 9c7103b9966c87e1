"""The library built with AddressSanitizer and UBSan, and what a child process needs to load it. Linux only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from exchange.profitsim import build
from tests import compilers

CHECKS = {
    "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=1:strict_string_checks=1:abort_on_error=0:exitcode=99",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}  # leaks are looked for in programs of C only: an interpreter ends with memory in use
FINDINGS = ("AddressSanitizer", "runtime error:", "LeakSanitizer")


def runtime_libraries(compiler: list[str]) -> list[str]:
    """What must be in a process before its sanitized library: gcc's runtime. Skips the test where there is none."""
    if sys.platform != "linux":
        pytest.skip("sanitizers are run on Linux; the sources are the same")
    found = []
    for name in ("libasan.so", "libstdc++.so.6"):  # the second, or exceptions of llvmlite are not intercepted
        said = subprocess.run([*compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=False)
        path = said.stdout.strip()
        if said.returncode != 0 or not os.path.isabs(path):
            pytest.skip(f"{compiler[0]} has no {name}: no sanitizers here")
        found.append(path)
    return found


def build_library(folder: Path) -> Path:
    """The library with both sanitizers and with poison. Skips the test where the compiler has none."""
    compilers.of_this_system()
    try:
        return build.build(sanitize=True, poison=True, output=folder / build.output_path("linux").name)
    except build.BuildError as error:
        if "sanitize" in str(error).split("failed:")[-1]:
            pytest.skip(f"the compiler has no sanitizers: {error}")
        raise


def environment(*, preload: list[str] = [], leaks: bool = False) -> dict[str, str]:  # noqa: B006 - never changed
    """The variables of a child process that must end at the first finding."""
    checks = dict(CHECKS)
    if leaks:
        checks["ASAN_OPTIONS"] = checks["ASAN_OPTIONS"].replace("detect_leaks=0", "detect_leaks=1")
    return {**os.environ, **checks, **({"LD_PRELOAD": " ".join(preload)} if preload else {})}


def assert_no_finding(text: str) -> None:
    assert not [line for line in text.splitlines() if any(word in line for word in FINDINGS)], text
