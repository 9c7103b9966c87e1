"""The library's socket input, fuzzed with both sanitizers and poison: a short seeded run each time, a long one on demand.

`python -m pytest -m slow -n 0 -s tests/profitsim/test_fuzz.py` is the long run; PROFITSIM_FUZZ_SECONDS sets its length.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import compilers
from tests.profitsim import fuzzing, sanitizers
from tests.profitsim.fuzzing import Outcome

pytestmark = pytest.mark.xdist_group("fuzz")  # the fuzzers are compiled once
RUNS = 30_000
RUNS_GUIDED = 10_000  # these reach deeper, and take longer
LONG_S = int(os.environ.get("PROFITSIM_FUZZ_SECONDS", "300"))
SEED = 1


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = compilers.of_this_system()
    sanitizers.runtime_libraries(compiler)  # skips where there are none
    return fuzzing.compile_fuzzer(tmp_path_factory.mktemp("driver"), compiler, "fuzz_main.c")


@pytest.fixture(scope="module")
def libfuzzer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fuzzing.compile_fuzzer(tmp_path_factory.mktemp("libfuzzer"), fuzzing.libfuzzer(), engine="fuzzer,")


def without_finding(outcome: Outcome, folder: Path) -> None:
    """No finding; where there is one, the input that shows it is kept under its name for fuzz_inputs/."""
    inputs = [path for pattern in ("crash-*", "timeout-*", "leak-*") for path in folder.glob(pattern)]
    assert outcome.code == 0, f"keep one of {inputs} in {fuzzing.REGRESSIONS}:\n{outcome.text[-6000:]}"
    sanitizers.assert_no_finding(outcome.text)


def test_the_seeds_reach_every_handler(driver: Path, tmp_path: Path) -> None:
    """Fuzzing that stops at the header would find nothing for ever: the seeds alone make every kind of call."""
    files = sorted(fuzzing.write_seeds(tmp_path).glob("seed-*"))
    outcome = fuzzing.run_driver(driver, files, seed=SEED)
    without_finding(outcome, driver.parent)
    reached = {name: int(count) for name, count in re.findall(r"(\w+) (\d+)", outcome.text)}
    assert reached["executions"] == len(files)
    assert all(reached[name] > 0 for name in ("callbacks", "details", "levels", "trades", "enumerated", "offers")), reached


@pytest.mark.parametrize("path", sorted(fuzzing.REGRESSIONS.glob("*.bin")), ids=lambda path: path.stem)
def test_what_once_was_a_finding_is_none_any_more(driver: Path, path: Path) -> None:
    without_finding(fuzzing.run_driver(driver, [path], seed=SEED), driver.parent)


def test_seeded_mutations_find_nothing(driver: Path, tmp_path: Path) -> None:
    files = sorted(fuzzing.write_seeds(tmp_path).iterdir())
    outcome = fuzzing.run_driver(driver, files, seed=SEED, runs=RUNS)
    without_finding(outcome, driver.parent)
    assert outcome.executions == RUNS


def test_the_driver_repeats_itself(driver: Path, tmp_path: Path) -> None:
    files = sorted(fuzzing.write_seeds(tmp_path).iterdir())
    first, second, other = (fuzzing.run_driver(driver, files, seed=seed, runs=2_000).text for seed in (3, 3, 4))
    assert first == second != other


def test_libfuzzer_finds_nothing(libfuzzer: Path, tmp_path: Path) -> None:
    outcome = fuzzing.run_libfuzzer(libfuzzer, fuzzing.write_seeds(tmp_path), seed=SEED, runs=RUNS_GUIDED)
    without_finding(outcome, libfuzzer.parent)
    assert outcome.executions == RUNS_GUIDED


@pytest.mark.slow
@pytest.mark.timeout(LONG_S + 600)
def test_a_long_run_finds_nothing(
    libfuzzer: Path, tmp_path: Path, record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = fuzzing.write_seeds(tmp_path)
    outcome = fuzzing.run_libfuzzer(libfuzzer, corpus, seed=SEED, seconds=LONG_S)
    without_finding(outcome, libfuzzer.parent)
    figures = f"{outcome.executions} executions in {LONG_S} s, {len(list(corpus.iterdir()))} inputs, no finding"
    record_property("libFuzzer", figures)
    with capsys.disabled():
        sys.stdout.write(f"\n{figures}\n")
    assert outcome.executions > LONG_S, figures
