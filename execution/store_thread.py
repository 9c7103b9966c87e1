"""Keeps the SQLite file (`store`) behind the journal by some tenths of a second, on a thread of its own.

What goes wrong here is told once and tried again; it never reaches trading. The last round comes at the end, when the
journal is closed, so that a run that stopped has all of itself in the tables.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from pathlib import Path

from execution.store import Store

EVERY_S = 0.25
FILE = "orders.sqlite"
JOIN_S = 10.0


class StoreThread:
    """Follows the journal from its making until `close`."""

    def __init__(self, journal: Path, log: logging.Logger) -> None:
        self.path = journal.with_name(FILE)
        self._journal = journal
        self._log = log
        self._told = ""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take the rest and end. Harmless when called twice."""
        self._closing.set()
        self._thread.join(JOIN_S)

    def _run(self) -> None:
        store: Store | None = None
        while True:
            ending = self._closing.wait(EVERY_S)
            try:
                if store is None:
                    store = Store(self._journal, self.path)
                while store.catch_up():
                    if not ending and self._closing.wait(0.001):  # let the stage have the interpreter between
                        ending = True
                self._tell("")
            except (sqlite3.Error, OSError) as error:
                self._tell(str(error))
            if ending:
                break
        if store is not None:
            store.close()

    def _tell(self, problem: str) -> None:
        if problem != self._told:
            self._told = problem
            if problem:
                self._log.warning("the tables of %s are behind the journal: %s", self.path, problem)
            else:
                self._log.info("the tables follow the journal again")
