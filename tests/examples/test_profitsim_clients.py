"""The examples do what docs/profitsim.md says: both clients against an exchange that runs alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.profitsim import build
from tests import compilers
from tests.exchange.alone import Alone, exchange_alone
from tests.processes import PROJECT
from tests.profitsim import sanitizers

pytestmark = pytest.mark.xdist_group("examples")  # one exchange for all
EXAMPLES = PROJECT / "examples"
LIMIT_S = 120


@pytest.fixture(scope="module")
def exchange() -> Iterator[Alone]:
    with exchange_alone("--speed", "5") as running:
        yield running


def assert_traded(done: subprocess.CompletedProcess[str], trades: int) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "connected"
    bid, _, ask = lines[1].removeprefix("best ").split()
    assert 0 < float(bid) < float(ask)
    told = [line for line in lines if line.startswith("trade WDOFUT ")]
    assert len(told) == trades
    assert any(line.startswith("order ") and line.endswith("1 of 1") for line in lines)
    assert float(lines[-1].removeprefix("filled at ")) % 0.5 == 0


def test_the_example_in_python(exchange: Alone) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "profitsim_client.py"), str(build.build_if_stale()), str(exchange.port), "3"],
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert_traded(done, 3)


def test_the_example_in_python_needs_nothing_of_the_project() -> None:
    text = (EXAMPLES / "profitsim_client.py").read_text(encoding="ascii")
    imported = {line.split()[1] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert imported <= {"ctypes", "queue", "sys"}


@pytest.mark.skipif(sys.platform != "win32", reason="the other system's")
def test_the_example_in_c_on_windows(exchange: Alone, tmp_path: Path) -> None:
    """Compiled on Linux by tests/windows/run.sh, with the command in the file's head."""
    program = PROJECT / "build" / "windows-made" / "profitsim_client.exe"
    if not program.is_file():
        pytest.skip("tests/windows/run.sh compiles it")
    for path in (program, build.output_path("windows")):
        shutil.copy(path, tmp_path)
    done = subprocess.run(
        [str(tmp_path / program.name), str(exchange.port), "3"],
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert_traded(done, 3)


@pytest.mark.skipif(sys.platform == "win32", reason="the other system's")
def test_the_example_in_c(exchange: Alone, tmp_path: Path) -> None:
    library = build.build_if_stale()
    program = tmp_path / "client"
    command = [
        *compilers.of_this_system(), "-std=c11", "-D_DEFAULT_SOURCE", "-Wall", "-Wextra", "-Werror",
        "-I", str(build.FOLDER), str(EXAMPLES / "profitsim_client.c"), "-o", str(program),
        "-L", str(library.parent), f"-l:{library.name}", f"-Wl,-rpath,{library.parent}",
    ]  # fmt: skip
    subprocess.run(command, check=True, timeout=LIMIT_S)
    done = subprocess.run(
        [str(program), str(exchange.port), "3"], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert_traded(done, 3)


def test_client_and_library_in_c_have_no_finding_and_no_leak(exchange: Alone, tmp_path: Path) -> None:
    """One sanitized program of the example and the library's sources, with poison: what ends is given back."""
    compiler = compilers.of_this_system()
    sanitizers.runtime_libraries(compiler)
    program = tmp_path / "client"
    flags = [flag for flag in build.FLAGS if flag not in ("-shared", "-fvisibility=hidden")]
    command = [
        *compiler, *flags, *build.SANITIZE_FLAGS, *build.POISON_FLAGS, "-I", str(build.FOLDER),
        str(EXAMPLES / "profitsim_client.c"), *map(str, build.sources()), "-o", str(program), "-pthread",
    ]  # fmt: skip
    subprocess.run(command, check=True, timeout=LIMIT_S)
    done = subprocess.run(
        [str(program), str(exchange.port), "3"], env=sanitizers.environment(leaks=True),
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert_traded(done, 3)
    sanitizers.assert_no_finding(done.stderr)
