"""Do the stress tests bite? Each mutation breaks one piece of the memory order; the tests of `shm` must fail on it.

    python -m tests.mutations [NAME]

Every mutation runs in a copy of the tree. What this processor cannot show is listed beside them: x86 never moves a load
past a load nor a store past a store, and its locked instructions are full fences, so those orders need another machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
LIMIT_S = 240


@dataclass(frozen=True)
class Mutation:
    """`old` in `file` becomes `new`; `shown` is why x86 cannot show it, empty when it must."""

    name: str
    file: str
    old: str
    new: str
    not_on_x86: str = ""


MUTATIONS = (
    Mutation(
        "the writer's seq_cst fence before it looks for sleepers",
        "shm/doorbell.py",
        "    fence_seq_cst()  # partner: the fence in bell_sleep\n",
        "",
    ),
    Mutation(
        "the reader's second look before it sleeps",
        "shm/doorbell.py",
        "    if _anything_new(watched, count):\n",
        "    if False and _anything_new(watched, count):\n",
    ),
    Mutation(
        "the odd mark before the payload",
        "shm/ring.py",
        "    store_relaxed(slot, np.uint64(2) * number + np.uint64(1))\n",
        "",
    ),
    Mutation(
        "the atomic load, made plain",
        "shm/atomics.py",
        'return builder.load_atomic(_pointer(builder, args[0], _I64), "acquire", 8)',
        "return builder.load(_pointer(builder, args[0], _I64))",
    ),
    Mutation(
        "the reader's check after the copy",
        "shm/ring.py",
        "    return 1 if load_relaxed(slot) == whole else -1\n",
        "    return 1\n",
    ),
    Mutation(
        "the reader's seq_cst fence after it set its bit",
        "shm/doorbell.py",
        "    fence_seq_cst()  # partner: the fence in ring_bells\n",
        "",
        "setting the bit is a locked instruction, which is a full fence by itself",
    ),
    Mutation(
        "the release fence behind the odd mark",
        "shm/ring.py",
        "    fence_release()  # partner: fence_acquire in ring_copy; who saw any of the new bytes sees the odd mark\n",
        "",
        "stores are not reordered, and this compiler keeps them in order",
    ),
    Mutation(
        "the acquire fence behind the copy",
        "shm/ring.py",
        "    fence_acquire()  # partner: fence_release after the odd mark\n",
        "",
        "loads are not reordered, and this compiler keeps them in order",
    ),
)


def copy_tree(target: Path) -> None:
    """The project as it stands, without caches and runs."""
    ignored = shutil.ignore_patterns(".git", "__pycache__", "runs", "*.egg-info", ".*_cache", ".hypothesis", "build", "dist")
    shutil.copytree(PROJECT, target, ignore=ignored)


def survives(mutation: Mutation | None) -> bool:
    """Whether the tests of `shm` pass on a mutated copy (None: on an unchanged one)."""
    with tempfile.TemporaryDirectory(prefix="qt-mutation-", ignore_cleanup_errors=True) as folder:
        tree = Path(folder) / "tree"
        copy_tree(tree)
        if mutation is not None:
            path = tree / mutation.file
            text = path.read_text("utf-8")
            if text.count(mutation.old) != 1:
                raise SystemExit(f"{mutation.name}: the line to break is not in {mutation.file} exactly once")
            path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
        environment = {**os.environ, "QT_CACHE_DIR": str(Path(folder) / "kernels")}
        environment.pop("NUMBA_CACHE_DIR", None)
        tests = ["tests/shm/test_ring.py", "tests/shm/test_doorbell.py"]
        options = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--timeout", "120"]
        try:
            done = subprocess.run(
                [sys.executable, "-m", "pytest", *tests, *options],
                cwd=tree, env=environment, capture_output=True, text=True, timeout=LIMIT_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


def main(names: list[str]) -> int:
    """Exit code 0: the unchanged tree passes and every mutation that x86 can show is caught."""
    wrong = 0
    if not names and not survives(None):
        sys.stdout.write("the unchanged tree does not pass\n")
        return 1
    for mutation in MUTATIONS:
        if names and not any(name in mutation.name for name in names):
            continue
        survived = survives(mutation)
        verdict = "survives" if survived else "caught"
        if mutation.not_on_x86:
            verdict += f" (x86 cannot show it: {mutation.not_on_x86})"
        wrong += survived and not mutation.not_on_x86
        sys.stdout.write(f"without {mutation.name}: {verdict}\n")
        sys.stdout.flush()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
