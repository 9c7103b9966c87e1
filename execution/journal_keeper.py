"""The stage's care for its journal: opened or refused, handed over, its troubles told once, its sync times shown.

A journal that cannot be written stops entries at once, but nothing that protects or leaves a position; when nothing is
left unprotected, the stage refuses to go on. It never decides what is written.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from config.schema import Config
from execution.journal import Journal, read_ledger
from execution.journal_digest import renew_digest
from execution.journal_format import JournalError, Record
from execution.ledger import Ledger
from execution.recovery import restore
from execution.store_thread import StoreThread
from runtime.context import StageContext
from runtime.run_info import read_run
from runtime.stage import Refusal

JOURNAL_FILE = "orders.journal"
SLOW_SYNC_NS = 100_000_000  # counted


def journal_of(config: Config, run_folder: Path) -> Path:
    """Paper: of the run, whose exchange begins afresh. Else of the account, whose orders and positions outlive a run."""
    execution = config.execution
    if config.mode == "paper":
        return run_folder / "execution" / JOURNAL_FILE
    return run_folder.parent / f"{config.mode}-{execution.broker}-{execution.account}" / JOURNAL_FILE


def journal_file(place: Path) -> Path:
    """The journal that a person means: a file, or that of the run of a folder. Raises FileNotFoundError."""
    path = place if place.is_file() else journal_of(read_run(place).config, place)
    if not path.is_file():
        raise FileNotFoundError(f"{place} has no journal: {path} is not there")
    return path


def journal_path(context: StageContext) -> Path:
    """As `journal_of`, of the run that the context belongs to."""
    return journal_of(context.config, context.run_folder)


class JournalKeeper:
    """Opens the journal of the run. Raises Refusal: damaged, in use, no room; another start mends none of that."""

    def __init__(self, context: StageContext) -> None:
        self._log = context.log
        self._told = ""
        self._alarmed = False
        context.counters.declare("journal_syncs_slow")
        times = context.histogram("journal_sync")

        def synced(duration_ns: int) -> None:
            times.record(duration_ns)
            if duration_ns > SLOW_SYNC_NS:
                context.counters.add("journal_syncs_slow")

        try:
            self.journal = Journal(journal_path(context), context.config.execution.journal_sync == "always", synced)
        except JournalError as error:
            raise Refusal(f"journal {error}") from error
        self._store = StoreThread(self.journal.path, self._log) if context.config.execution.sqlite else None

    def restore(self, ledger: Ledger) -> None:
        """Rebuild the ledger from what is written. Raises Refusal for a damaged or foreign record."""
        try:
            restored = restore(ledger, read_ledger(self.journal.path))
        except (JournalError, msgspec.DecodeError) as error:
            raise Refusal(f"journal {self.journal.path}: {error}") from error
        self._renew_digest()
        self._log.info(
            "recovered from the journal",
            extra={
                "fields": {
                    "records": restored,
                    "torn_bytes_cut": self.journal.cut_bytes,
                    "open_orders": len(ledger.open),
                    "positions": [position.quantity for position in ledger.positions],
                }
            },
        )

    def _renew_digest(self) -> None:
        """So that the next start reads less. When that fails it reads more, no worse."""
        try:
            renew_digest(self.journal.path)
        except OSError as error:
            self._log.warning("the digest of the journal %s cannot be renewed: %s", self.journal.path, error)

    def append(self, record: Record) -> None:
        self.journal.append(record)

    def write_ahead(self, records: bytes) -> bool:
        """See Journal.write_ahead."""
        return self.journal.write_ahead(records)

    def hand_over(self, before_order: bool = False) -> str:
        """What was appended to the operating system; returns why that failed, or ""."""
        try:
            self.journal.flush(before_order)
        except JournalError as error:
            return str(error)
        return ""

    @property
    def problem(self) -> str:
        """Why no entry may go out, as it was told last, or ""."""
        return self._told

    def look(self) -> bool:
        """Tell what is wrong, once; True when that is news."""
        problem = self.journal.problem
        if problem == self._told:
            return False
        self._told = problem
        if problem:
            self._log.error("no entries: %s", problem)
        else:
            self._log.info("the journal has room again")
        return True

    def newly_failed(self) -> bool:
        """True once, when nothing can be written any more."""
        if not self.journal.failure or self._alarmed:
            return False
        self._alarmed = True
        self._log.error(
            "what protects or leaves a position goes out without the journal; the run ends when that is done"
        )
        return True

    def close(self) -> None:
        """Raises Refusal for a failure that was not known before."""
        try:
            self.journal.close()
        except JournalError as error:
            raise Refusal(str(error)) from error
        finally:
            if self._store is not None:
                self._store.close()
