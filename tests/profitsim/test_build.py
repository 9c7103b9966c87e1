"""The compile step: which compiler, what it says when there is none, and the backend that asks for one."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from exchange.profitsim import build
from tests import compilers


def backend() -> ModuleType:
    path = Path(build.__file__).resolve().parents[2] / "buildsys" / "backend.py"
    spec = importlib.util.spec_from_file_location("backend", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_compiler(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(folder))


def test_a_library_can_be_written_anywhere_and_leaves_nothing_beside(tmp_path: Path) -> None:
    compilers.of_this_system()
    made = build.build(output=tmp_path / "other.so")
    assert made.stat().st_size > 0
    assert [path.name for path in tmp_path.iterdir()] == ["other.so"]


def test_the_compilers_words_are_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compilers.of_this_system()
    broken = tmp_path / "broken.c"
    broken.write_text("int main(void) { return nothing_of_this_name; }\n", encoding="ascii")
    monkeypatch.setattr(build, "sources", lambda: [broken])
    with pytest.raises(build.BuildError, match="nothing_of_this_name"):
        build.build(output=tmp_path / "other.so")
    assert not (tmp_path / "other.so").exists()


def test_no_compiler_at_all_is_an_error_with_two_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_compiler(monkeypatch, tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(build.BuildError, match=r"install gcc or clang.*pip install ziglang"):
        build.build(output=tmp_path / "other.so")


def test_the_wheel_of_a_compiler_is_the_way_to_the_other_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    other = "linux" if build.host_target() == "windows" else "windows"
    assert build.compiler(other)[1:] == ["-m", "ziglang", "cc", "-target", build.ZIG_TARGETS[other]]


def test_a_compiler_that_does_not_work_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler-anywhere")
    assert build.system_compiler() != ["no-such-compiler-anywhere"]
    without_compiler(monkeypatch, tmp_path)
    assert build.system_compiler() is None


def test_staleness_follows_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = tmp_path / "missing.so"
    monkeypatch.setattr(build, "output_path", lambda target: missing)
    assert build.is_stale(build.host_target())
    missing.write_bytes(b"")
    assert not build.is_stale(build.host_target())


def test_the_backend_asks_for_a_compiler_only_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("setuptools.build_meta", reason="the backend runs in pip's environment, which has setuptools")
    hooks = backend()
    if build.system_compiler():
        assert hooks._compiler_requirement() == []
    without_compiler(monkeypatch, tmp_path)
    assert hooks._compiler_requirement() == ["ziglang>=0.14"]
    hooks_of_the_standard = ("build_wheel", "build_editable", "build_sdist", "get_requires_for_build_wheel",
                             "get_requires_for_build_editable", "prepare_metadata_for_build_wheel")  # fmt: skip
    assert all(callable(getattr(hooks, name)) for name in hooks_of_the_standard)
