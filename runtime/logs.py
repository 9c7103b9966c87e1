"""Structured logs: one JSON object a line, one file a process (Windows cannot rename a file that another holds open).

`log.info("text", extra={"fields": {...}})`. Lines carry wall time, level, stage, incarnation, text and the fields.
Warnings and worse of a stage also reach the supervisor's terminal through stderr.
"""

from __future__ import annotations

import logging
import logging.handlers
import sys
from pathlib import Path

import msgspec

FILE_BYTES = 32 * 2**20
FILES_KEPT = 4


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON."""

    def __init__(self, stage: str, epoch: int) -> None:
        super().__init__()
        self._stage = stage
        self._epoch = epoch
        self._encoder = msgspec.json.Encoder(enc_hook=str)

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time_ns": int(record.created * 1e9),
            "level": record.levelname,
            "stage": self._stage,
            "epoch": self._epoch,
            "text": record.getMessage(),
        }
        fields = getattr(record, "fields", None)
        if fields:
            line["fields"] = fields
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return self._encoder.encode(line).decode()


def open_log(folder: Path, stage: str, epoch: int, level: str) -> logging.Logger:
    """The logger of one process: `folder/STAGE.jsonl`, rotated by size, and warnings to stderr."""
    folder.mkdir(parents=True, exist_ok=True)
    log = logging.getLogger(f"quantumtrader.{stage}")
    log.setLevel(level)
    log.propagate = False
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
    to_file = logging.handlers.RotatingFileHandler(
        folder / f"{stage}.jsonl", maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8"
    )
    to_file.setFormatter(JsonFormatter(stage, epoch))
    log.addHandler(to_file)
    to_terminal = logging.StreamHandler(sys.stderr)
    to_terminal.setLevel(logging.WARNING)
    to_terminal.setFormatter(logging.Formatter(f"{stage}: %(message)s"))
    log.addHandler(to_terminal)
    return log
