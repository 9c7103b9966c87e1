"""Orders, fills and decisions as tables of an SQLite file beside the journal, for people and tools to ask.

It follows the journal's file, never the hot path, and remembers in the same transaction how far it came. So it can be
behind, but it cannot disagree: after a death it goes on where it was, and when the file is not the one it followed (moved
away, cut, another), it begins again. Nothing here is read by trading, and nothing but the journal is ever believed.

    orders     number, bracket, role, symbol, ticker, side, order_type, quantity, price, stop_price, intended_ns,
               state, traded_quantity, average_price, changed_ns, reason
    fills      at (place in the journal), order_number, symbol, side, quantity, price, ts_ns, position, realised_profit
    decisions  at, sequence, symbol, ingest_seq, ts_ns, action, total, confidence, quantity, reason, votes, abstained,
               threshold, regime, rule, size, decided_ns, data_age_ns (both monotonic; age -1: not known)
    weights    at, sequence, symbol, ts_ns, regime, applied, changes, reason: what each settled round of votes taught
    followed   one row: end (bytes taken), head (of the last record taken), checked when going on

Prices in points, times in ns UTC of the market, money in the account's currency; votes, abstentions and changes as JSON.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import BinaryIO

from bus.messages import Decision, Fill, OrderEvent, WeightsChanged
from execution.events import OrderAdopted, Publish, SendOrder
from execution.journal_format import MAGIC, Record, decode_body, scan_from
from execution.journal_walk import HEAD

MAX_BYTES = 1 << 20  # of the journal in one transaction
TOLD = (b"Publish", b"SendOrder", b"OrderAdopted")  # tags of the records that say something of these tables
TAG_BYTES = 16
SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
  number INTEGER PRIMARY KEY, bracket INTEGER, role TEXT, symbol INTEGER, ticker TEXT, side INTEGER, order_type INTEGER,
  quantity INTEGER, price REAL, stop_price REAL, intended_ns INTEGER, state TEXT, traded_quantity INTEGER,
  average_price REAL, changed_ns INTEGER, reason TEXT);
CREATE TABLE IF NOT EXISTS fills (
  at INTEGER PRIMARY KEY, order_number INTEGER, symbol INTEGER, side INTEGER, quantity INTEGER, price REAL,
  ts_ns INTEGER, position INTEGER, realised_profit REAL);
CREATE TABLE IF NOT EXISTS decisions (
  at INTEGER PRIMARY KEY, sequence INTEGER, symbol INTEGER, ingest_seq INTEGER, ts_ns INTEGER, action TEXT, total REAL,
  confidence REAL, quantity INTEGER, reason TEXT, votes TEXT, abstained TEXT, threshold REAL, regime TEXT, rule TEXT,
  size REAL, decided_ns INTEGER, data_age_ns INTEGER);
CREATE TABLE IF NOT EXISTS weights (
  at INTEGER PRIMARY KEY, sequence INTEGER, symbol INTEGER, ts_ns INTEGER, regime TEXT, applied INTEGER, changes TEXT,
  reason TEXT);
CREATE TABLE IF NOT EXISTS followed (one INTEGER PRIMARY KEY CHECK (one = 1), end INTEGER, head BLOB, start INTEGER);
"""
TABLES = ("orders", "fills", "decisions", "weights", "followed")
VERSION = 2  # of the tables; a file of another one is filled anew from the journal


class Store:
    """One writer; `catch_up` takes what is new. Raises sqlite3.Error and OSError; both leave what was there."""

    def __init__(self, journal: Path, path: Path) -> None:
        self._journal = journal
        self._base = sqlite3.connect(path, timeout=1.0, isolation_level=None)
        self._base.execute("PRAGMA journal_mode=WAL")
        self._base.execute("PRAGMA synchronous=NORMAL")
        if self._base.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            self._base.executescript(";".join(f"DROP TABLE IF EXISTS {table}" for table in TABLES))
            self._base.execute(f"PRAGMA user_version={VERSION}")
        self._base.executescript(SCHEMA)

    def catch_up(self) -> int:
        """Take at most MAX_BYTES of new records in one transaction; returns how many bytes."""
        with open(self._journal, "rb") as file:
            end = self._place(file)
            file.seek(end)
            data = file.read(MAX_BYTES)
        last, behind = 0, 0
        self._base.execute("BEGIN IMMEDIATE")
        try:
            for _, body, after in scan_from(data, 0):
                if any(tag in bytes(body[:TAG_BYTES]) for tag in TOLD):
                    self._take(end + behind, decode_body(body))
                last, behind = behind, after
            if behind:
                self._base.execute(
                    "INSERT OR REPLACE INTO followed VALUES (1, ?, ?, ?)",
                    (end + behind, data[last : last + HEAD.size], end + last),
                )
            self._base.execute("COMMIT")
        except BaseException:
            self._base.execute("ROLLBACK")
            raise
        return behind

    def close(self) -> None:
        self._base.close()

    def _place(self, file: BinaryIO) -> int:
        """Where to go on; the beginning, with empty tables, when the file is not the one that was followed."""
        row = self._base.execute("SELECT end, head, start FROM followed").fetchone()
        if row is None:
            return len(MAGIC)
        end, head, start = row
        file.seek(start)
        if file.read(HEAD.size) == head:
            return int(end)
        self._base.executescript(";".join(f"DELETE FROM {table}" for table in TABLES))
        return len(MAGIC)

    def _take(self, at: int, record: Record) -> None:
        match record:
            case SendOrder() as o:
                self._insert(
                    "orders", o.order, o.bracket, o.role, o.symbol, o.ticker, o.side, o.order_type, o.quantity, o.price,
                    o.stop_price, o.market_ns, "intended", 0, 0.0, o.market_ns, "",
                )  # fmt: skip
            case OrderAdopted(report=r) as a:
                self._insert(
                    "orders", a.order, a.bracket, a.role, a.symbol, r.ticker, r.side, r.order_type,
                    r.quantity - r.traded_quantity, r.price, r.stop_price, a.market_ns, "adopted", 0, 0.0, a.market_ns,
                    "adopted",
                )  # fmt: skip
            case Publish(message=OrderEvent() as e):
                self._base.execute(
                    "UPDATE orders SET state=?, traded_quantity=?, average_price=?, changed_ns=?, reason=? WHERE number=?",
                    (e.status, e.traded_quantity, e.average_price, e.ts_ns, e.reason, e.order),
                )
            case Publish(message=Fill() as f):
                self._insert(
                    "fills", at, f.order, f.symbol, f.side, f.quantity, f.price, f.ts_ns, f.position, f.realised_profit
                )
            case Publish(message=Decision() as d):
                self._insert(
                    "decisions", at, d.sequence, d.symbol, d.ingest_seq, d.ts_ns, d.action, d.total, d.confidence,
                    d.quantity, d.reason, json.dumps(d.votes), json.dumps(d.abstained), d.threshold, d.regime, d.rule,
                    d.size, d.decided_ns, d.data_age_ns,
                )  # fmt: skip
            case Publish(message=WeightsChanged() as w):
                self._insert(
                    "weights", at, w.sequence, w.symbol, w.ts_ns, w.regime, w.applied, json.dumps(w.changes), w.reason
                )
            case _:
                pass

    def _insert(self, table: str, *values: object) -> None:
        places = ", ".join("?" * len(values))
        self._base.execute(f"INSERT OR REPLACE INTO {table} VALUES ({places})", values)
