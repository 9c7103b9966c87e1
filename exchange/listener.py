"""The exchange's listening socket on 127.0.0.1, and what to do when its port cannot be had."""

from __future__ import annotations

import errno
import socket

# Windows answers a bind to a port that another process holds exclusively with "access denied"
TAKEN = {
    errno.EADDRINUSE,
    getattr(errno, "WSAEADDRINUSE", errno.EADDRINUSE),
    getattr(errno, "WSAEACCES", errno.EADDRINUSE),
}


class PortTaken(OSError):
    """The configured port cannot be had; the message names it and says what to do."""


def listen(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1; 0: any free port. Raises PortTaken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)  # Windows lets two processes share a port without it
    if exclusive is not None:
        listener.setsockopt(socket.SOL_SOCKET, exclusive, 1)
    else:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(32)
    except OSError as error:
        listener.close()
        mend = "set exchange.port to another port, or to 0 for any free one"
        if error.errno in TAKEN:
            why = f"is taken by another process: stop that process (perhaps another run), or {mend}"
        else:
            why = f"cannot be used ({error.strerror}): {mend}"
        raise PortTaken(f"port {port} on 127.0.0.1 {why}") from error
    listener.setblocking(False)
    return listener
