"""The rules of the house, checked: imports, clocks, random sources, bare excepts, prints, and what live stages load."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from runtime.topology import STAGES

PROJECT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "shm", "bus", "tape", "runtime", "profitdll", "exchange", "ingest", "features", "agents", "models",
    "consensus", "execution", "replay", "monitor", "benchmarks", "config",
)  # fmt: skip
CLOCK_DOORS = {"runtime/clock.py", "runtime/wait.py"}
CLOCKS = {
    ("time", "time"), ("time", "time_ns"), ("time", "monotonic"), ("time", "monotonic_ns"), ("time", "perf_counter"),
    ("time", "perf_counter_ns"), ("time", "sleep"), ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"),
    ("date", "today"),
}  # fmt: skip
RANDOM_MODULES = {"random", "secrets", "uuid"}


def sources() -> list[Path]:
    files = [PROJECT / "supervisor.py"]
    for package in PACKAGES:
        files += sorted((PROJECT / package).rglob("*.py"))
    return files


def relative(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def run_tool(*command: str) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=PROJECT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr


def test_imports_go_down_only() -> None:
    program = (
        "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as c; c(['--no-cache'])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff() -> None:
    run_tool("ruff", "check", "--no-cache", ".")


def test_types_of_the_foundation() -> None:
    """mypy --strict on shm, bus, runtime and profitdll, as pyproject.toml says."""
    run_tool("mypy", "--cache-dir", os.devnull)


@pytest.mark.parametrize("path", sources(), ids=relative)
def test_house_rules(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    name = relative(path)
    problems = []
    for node in ast.walk(tree):
        place = f"{name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            problems.append(f"{place}: bare except")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            problems.append(f"{place}: print")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used = (node.value.id, node.attr)
            if used in CLOCKS and name not in CLOCK_DOORS and not name.startswith("benchmarks/"):
                problems.append(f"{place}: {'.'.join(used)} outside runtime/clock.py")
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            for module in modules:
                if module.split(".")[0] in RANDOM_MODULES and not name.startswith("benchmarks/"):
                    problems.append(f"{place}: {module} (a source of randomness; take a seed)")
                if module.split(".")[0] == "numba" and name != "shm/jit.py" and not _after_jit(tree, node):
                    problems.append(f"{place}: numba imported before shm.jit has placed its cache")
    if ast.get_docstring(tree) is None and path.name != "__init__.py":
        problems.append(f"{name}: no module docstring")
    assert problems == []


def _after_jit(tree: ast.Module, node: ast.Import | ast.ImportFrom) -> bool:
    """Whether a project module that brings shm.jit is imported above this line."""
    return any(
        isinstance(earlier, ast.ImportFrom) and (earlier.module or "").split(".")[0] in PACKAGES
        for earlier in ast.walk(tree)
        if isinstance(earlier, ast.ImportFrom) and earlier.lineno < node.lineno
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_names_resolve_inside_the_project(package: str) -> None:
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None
    assert Path(spec.origin).resolve().is_relative_to(PROJECT)


# numba by itself would bring scipy and cffi wherever they are installed: shm.jit keeps them out
NOT_LIVE = {
    "scipy",
    "cffi",
    "xgboost",
    "lightgbm",
    "pandas",
    "sklearn",
    "polars",
    "matplotlib",
    "hypothesis",
    "pytest",
    "rich",
    "keyring",
}


def test_the_gateways_process_has_no_zeromq() -> None:
    """What `execution.gateway = "process"` is for: the library apart from ZeroMQ's threads."""
    program = (
        "import sys; sys.path.insert(0, '.')\n"
        "import runtime.child, runtime.context, runtime.stage, execution.gateway_stage\n"
        "execution.gateway_stage.GatewayStage()\n"
        "print('profitdll.routing' in sys.modules, 'zmq' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=240)
    assert (done.returncode, done.stdout.split()) == (0, ["True", "False"]), done.stderr + done.stdout


@pytest.mark.parametrize("spec", STAGES, ids=lambda spec: spec.name)
def test_live_stages_load_only_what_is_meant_for_them(spec: object) -> None:
    """What a stage's process has in memory once its class is made."""
    factory, arguments = spec.factory, spec.arguments  # type: ignore[attr-defined]
    module, _, attribute = factory.partition(":")
    forbidden = NOT_LIVE if spec.name == "exchange" else NOT_LIVE | {"pyarrow"}  # type: ignore[attr-defined]
    program = (
        "import sys; sys.path.insert(0, '.')\n"
        "import runtime.child, runtime.context, runtime.stage\n"
        f"import {module}\n"
        f"{module}.{attribute}(*{arguments!r})\n"
        f"print(sorted({forbidden!r} & {{name.split('.')[0] for name in sys.modules}}))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
