"""The name of the kernels' cache changes with everything that machine code was made of: stale code would trade."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.compile import kernel_modules
from shm import kernel_cache
from shm.kernel_cache import PROJECT, frozen_sources, kernel_sources
from tests.test_architecture import PACKAGES

LOADED = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
for module in list(sys.modules.values()):
    print(getattr(module, "__file__", None) or "")
"""


def test_all_that_a_kernel_module_loads_is_hashed() -> None:
    """What Python itself imports, for the kernels that answer signals; these load no other part of the project."""
    names = [name for name in kernel_modules() if name.startswith("execution.fast_path")]
    assert len(names) >= 5
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *names], capture_output=True, text=True, timeout=120, env=environment, cwd=PROJECT
    )
    assert done.returncode == 0, done.stderr
    loaded = {Path(line) for line in done.stdout.splitlines() if line}
    ours = {path for path in loaded if any(PROJECT / package in path.parents for package in PACKAGES)}
    assert len(ours) > 20 and ours <= set(frozen_sources())


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    for package in PACKAGES:
        shutil.copytree(PROJECT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.dll"))
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "execution/fast_path/permit.py", "execution/fast_path/wire.py", "consensus/strategies.py", "consensus/weights.py",
        "bus/messages.py", "execution/liquidity_advice.py", "execution/risk/collar.py", "execution/events.py",
        "execution/newest.py", "profitdll/constants.py", "config/schema.py", "shm/layouts.py", "features/families.py",
    ],
)  # fmt: skip
def test_an_edit_is_another_cache(copy: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(kernel_cache, "PROJECT", copy)
    before = kernel_cache.fingerprint()
    text = (copy / name).read_bytes()
    (copy / name).write_bytes(text + b"\n")
    try:
        assert kernel_cache.fingerprint() != before
    finally:
        (copy / name).write_bytes(text)
    assert kernel_cache.fingerprint() == before


def test_an_edit_of_what_no_kernel_sees_keeps_the_cache(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_cache, "PROJECT", copy)
    before = kernel_cache.fingerprint()
    (copy / "execution" / "stage.py").write_text("# another stage\n", encoding="utf-8")
    assert kernel_cache.fingerprint() == before
    assert {path.name for path in kernel_sources()} >= {"answer.py", "ring.py", "engine.py"}


def test_a_stage_does_not_take_its_parents_word_for_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be started again after an update; only a folder that a person chose is taken as it is."""
    monkeypatch.setenv("QT_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "of an earlier build"))
    assert kernel_cache.configure() == tmp_path / kernel_cache.fingerprint()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path.parent / "chosen"))
    assert kernel_cache.configure() == tmp_path.parent / "chosen"
