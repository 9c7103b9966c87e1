"""What one event brings about, in order; and the only hand that writes the ledger while the machine works."""

from __future__ import annotations

from execution.events import (
    LEDGER_TYPES,
    Note,
    Operator,
    OrderReport,
    Output,
    SendResult,
    SessionBegan,
    Started,
)
from execution.ledger import Effect, Ledger

NO_EFFECT = Effect()


class Outbox:
    """Collects outputs of the machine; those that concern the ledger are applied at the same moment."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._records: list[Output] = []

    def emit(self, record: Output) -> Effect:
        """Apply it to the ledger, if it is a matter of the ledger, and put it out. Raises InvalidTransition."""
        effect = NO_EFFECT
        if type(record) in LEDGER_TYPES:
            effect = self._ledger.take(record)  # type: ignore[arg-type]
        self._records.append(record)
        return effect

    def note(self, level: str, text: str) -> None:
        """For the log. level: info, warning, error."""
        self._records.append(Note(level, text))

    def apply(self, record: Started | SendResult | OrderReport | Operator | SessionBegan) -> Effect:
        """Apply an input, which the journal has already. Raises InvalidTransition."""
        return self._ledger.take(record)

    def drain(self) -> list[Output]:
        """What was put out since the last call."""
        records, self._records = self._records, []
        return records
