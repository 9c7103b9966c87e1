"""All tests with a scripted exchange once more, on the library with AddressSanitizer, UBSan and poison: no finding."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import PROJECT
from tests.profitsim import sanitizers

pytestmark = pytest.mark.xdist_group("sanitized")  # the library is compiled once
HERE = Path(__file__).parent
APART = {"build", "layout", "sanitized", "fuzz", "lent_memory", "races"}  # they have no session with the library of this system
KEEPS_A_POINTER = """
import ctypes, sys
from profitdll import prototypes as p
from profitdll.library import load
from profitdll.market import Market
from exchange import protocol as wire
from tests.profitsim.conftest import Rig
from tests.profitsim.scripted import NOON_NS

class Keeper(Rig):
    def _native(self):
        def trade(asset, opaque, flags):
            self.opaque = opaque
        nothing = p.DepthCallback(lambda *_: None)
        return p.TradeCallback(trade), p.TradeCallback(trade), nothing

rig = Keeper(load(sys.argv[1]))
rig.connect()
Market(rig.library).subscribe("WDOFUT", "F")
rig.server.wait_for(wire.SUBSCRIBE)
rig.server.send(wire.TRADE, index=0, ts_ns=NOON_NS, price=5400.0, quantity=1)
rig.settle()
ctypes.string_at(rig.opaque, 8)
sys.stdout.write("nobody noticed")
"""


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sanitizers.build_library(tmp_path_factory.mktemp("sanitized"))


@pytest.fixture(scope="module")
def preload(sanitized: Path) -> list[str]:
    return sanitizers.runtime_libraries(sanitizers.compilers.of_this_system())


@pytest.mark.timeout(900)  # twenty seconds, unless the machine is busy
def test_every_scripted_exchange_passes_without_a_finding(sanitized: Path, preload: list[str]) -> None:
    files = [str(path) for path in sorted(HERE.glob("test_*.py")) if path.stem.removeprefix("test_") not in APART]
    assert len(files) >= 4
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-q", "-x", "-p", "no:cacheprovider", *files],
        env={**sanitizers.environment(preload=preload), "PROFITSIM_TEST_LIBRARY": str(sanitized)},
        cwd=PROJECT, capture_output=True, text=True, timeout=800, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-8000:]
    sanitizers.assert_no_finding(done.stdout + done.stderr)


def test_the_sanitizer_sees_a_client_that_reads_a_trade_after_its_callback(sanitized: Path, preload: list[str]) -> None:
    """So the silence above means something: the library that was tested does report."""
    done = subprocess.run(
        [sys.executable, "-c", KEEPS_A_POINTER, str(sanitized)],
        env=sanitizers.environment(preload=preload), cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 99 and "nobody noticed" not in done.stdout
    assert "heap-use-after-free" in done.stderr and "lend_end" in done.stderr, done.stderr
