"""How a stage waits when there is nothing to do: asleep at its bell, giving up the processor, or spinning.

`block` costs nothing while idle and about 15 us to wake; `spin` answers at once and burns a core; `yield` lies between.
The choice is `runtime.wait` in the configuration; execution may have one of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from config.schema import Config
from shm.doorbell import Bell


def waits_of(config: Config, stage: str) -> str:
    """How that stage waits: block, yield or spin."""
    own = config.execution.wait if stage == "execution" else "runtime"
    return config.runtime.wait if own == "runtime" else own


def wait_policy(name: str, bell: Bell) -> Callable[[int], None]:
    """A function of the longest wait in ns."""
    if name == "block":
        return lambda timeout_ns: _block(bell, timeout_ns)
    if name == "yield":
        return lambda timeout_ns: time.sleep(0)
    if name == "spin":
        return lambda timeout_ns: None
    raise ValueError(f"runtime.wait is {name!r}; it must be block, yield or spin")


def _block(bell: Bell, timeout_ns: int) -> None:
    bell.wait(timeout_ns)
