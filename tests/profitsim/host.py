"""A host that logs in and translates every trade in its callback: a process of its own, for it is meant to die there.

    python host.py PORT full|market
"""

from __future__ import annotations

import ctypes
import sys
import time

from profitdll import prototypes
from profitdll.callbacks import Listener
from profitdll.library import load
from profitdll.market import Market
from profitdll.session import Credentials, NativeCallbacks, Session
from profitdll.structs import TConnectorTrade


def main(port: int, full: bool) -> None:
    library = load()

    @prototypes.TradeCallback
    def trade(_asset: object, opaque: int, _flags: int) -> None:
        library.dll.TranslateTrade(opaque, TConnectorTrade())

    native = NativeCallbacks(trade=ctypes.cast(trade, ctypes.c_void_p).value or 0)
    session = Session(
        library, Credentials("key", "user", "password"), full=full, native=native, listener=Listener(),
        server=("127.0.0.1", port),
    )  # fmt: skip
    with session:
        session.wait_connected(20)
        Market(library).subscribe("WDOFUT", "F")
        time.sleep(20)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] == "full")
