"""Small files between processes: put in another's place while somebody may be reading that one, left for a stage to take.

On Linux the old file stays readable to whoever has it open. Windows refuses to replace a file that is open; readers of
these small files have them open for an instant, so it is tried again for a moment.

Never for a file that stays open, such as a journal or a log.
"""

from __future__ import annotations

import os
from pathlib import Path

from runtime.clock import monotonic_ns, sleep_s

PATIENCE_NS = 2_000_000_000
AGAIN_S = 0.01


def replace_file(source: Path, target: Path) -> None:
    """`os.replace`, tried again for PATIENCE_NS while `target` is in use. Raises PermissionError after that."""
    give_up_ns = monotonic_ns() + PATIENCE_NS
    while True:
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if monotonic_ns() > give_up_ns:
                raise
            sleep_s(AGAIN_S)


def wait_until_taken(path: Path, timeout_s: float) -> bool:
    """Whether whoever takes such files has removed `path` within that time."""
    give_up_ns = monotonic_ns() + int(timeout_s * 1e9)
    while path.exists():
        if monotonic_ns() > give_up_ns:
            return False
        sleep_s(AGAIN_S)
    return True
