"""The doorkeeper of a publisher: answers libzmq's authentication requests (ZAP 1.0) from an allow-list of keys.

A CURVE server without it lets in every client that knows the server's public key. It runs in a plain thread that
wakes only when somebody connects, because libzmq asks over an inproc socket that needs an answering thread; that
works alike on both platforms. It must be started before the socket it guards is bound, and never lets in a
mechanism other than CURVE.
"""

from __future__ import annotations

import threading

import zmq
from zmq.utils import z85

ENDPOINT = "inproc://zeromq.zap.01"  # fixed by the ZAP specification (ZeroMQ RFC 27)
DOMAIN = b"bus"
_ACCEPT = (b"200", b"OK")
_REFUSE = (b"400", b"key not allowed")


class Doorkeeper:
    """One per zmq context. Ends by itself when the context is terminated; `close` joins it after that."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], allowed: frozenset[bytes]) -> None:
        """allowed: public client keys in Z85 text. Raises zmq.ZMQError if the context has a doorkeeper already."""
        self.accepted = 0
        self.refused = 0
        self._allowed = frozenset(z85.decode(key) for key in allowed)
        self._socket = context.socket(zmq.REP)
        self._socket.linger = 0
        self._socket.bind(ENDPOINT)
        self._thread = threading.Thread(target=self._serve, name="bus-doorkeeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait for the thread, after the context was terminated from the caller's thread or is being so."""
        self._thread.join(timeout=5.0)

    def _serve(self) -> None:
        try:
            while True:
                request = self._socket.recv_multipart()
                self._socket.send_multipart(self._answer(request))
        except zmq.ContextTerminated:
            self._socket.close(0)

    def _answer(self, request: list[bytes]) -> list[bytes]:
        """version, id, domain, address, identity, mechanism, credentials -> version, id, status, text, user, metadata."""
        version, request_id = request[0], request[1]
        domain, mechanism, credentials = request[2], request[5], request[6:]
        allowed = (
            version == b"1.0"
            and domain == DOMAIN
            and mechanism == b"CURVE"
            and len(credentials) == 1
            and credentials[0] in self._allowed
        )
        self.accepted += allowed
        self.refused += not allowed
        status, text = _ACCEPT if allowed else _REFUSE
        return [b"1.0", request_id, status, text, b"", b""]
