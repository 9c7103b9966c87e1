"""Loopback ports for the publishers of a run.

They keep their port when they are restarted, so nobody else may take it while one is down. Systems give outgoing
connections a port from the upper range (Linux 32768 and above, Windows 49152 and above): a subscriber that tries to come
back could get the very port that it calls. So these ports lie below.

A port is free when it was looked for; what takes it before the stage does is told by the stage.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

PORTS = range(20_000, 32_000)


class NoPort(OSError):
    """Too few ports of PORTS are free."""


def free_ports(names: list[str]) -> dict[str, int]:
    """A free port of 127.0.0.1 for each name. All are held open together, so none is given twice. Raises NoPort."""
    first = os.getpid() * 16 % len(PORTS)  # runs beside each other look in different places
    candidates = iter([*PORTS[first:], *PORTS[:first]])
    with contextlib.ExitStack() as stack:
        return {name: _hold(stack, candidates) for name in names}


def _hold(stack: contextlib.ExitStack, candidates: Iterator[int]) -> int:
    for port in candidates:
        holder = stack.enter_context(socket.socket())
        try:
            holder.bind(("127.0.0.1", port))
        except OSError:  # in use, or kept by the system
            continue
        return port
    raise NoPort(f"no free port on 127.0.0.1 from {PORTS.start} to {PORTS.stop - 1}; end what holds them")
