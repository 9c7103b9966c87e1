"""What a callback is lent dies when it returns: the poisoned build shows it to a client that keeps a pointer."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exchange import protocol as wire
from exchange.profitsim import build
from profitdll import prototypes as p
from profitdll.library import Library, load
from profitdll.market import Market
from profitdll.structs import TConnectorAssetIdentifier, TConnectorTrade
from tape.reader import Tape
from tests import compilers
from tests.exchange.alone import exchange_alone
from tests.processes import PROJECT
from tests.profitsim.conftest import Rig
from tests.profitsim.scripted import NOON_NS
from tests.spine.rig import Up, write_config

POISON = b"\xdb"
TICKER_BYTES = len("WDOFUT") * ctypes.sizeof(ctypes.c_wchar)
TRADE = {"index": 0, "ts_ns": NOON_NS, "number": 7, "price": 5400.5, "quantity": 3, "trade_type": 2}


class Keeper(Rig):
    """A bad client: it keeps the addresses that callbacks got, and what stood there at the time."""

    kept: dict[str, tuple[int, bytes]]

    def keep(self, name: str, address: int | None, size: int) -> None:
        assert address is not None
        self.kept[name] = (address, ctypes.string_at(address, size))

    def later(self, name: str) -> bytes:
        address, before = self.kept[name]
        return ctypes.string_at(address, len(before))

    def keep_asset(self, name: str, asset: Any) -> None:
        self.keep(name, ctypes.addressof(asset.contents), ctypes.sizeof(TConnectorAssetIdentifier))
        self.keep(
            f"{name}.ticker", _text_address(asset.contents, TConnectorAssetIdentifier.ticker.offset), TICKER_BYTES
        )

    def _native(self) -> tuple[Any, Any, Any]:
        self.kept = {}

        def trade(asset: Any, opaque: int, flags: int) -> None:
            self.keep_asset("trade.asset", asset)
            self.keep("trade", opaque, 16)
            self.heard.note("trade", opaque)

        def depth(asset: Any, side: int, position: int, update: int) -> None:
            self.keep_asset("depth.asset", asset)
            self.heard.note("depth")

        return p.TradeCallback(trade), p.TradeCallback(trade), p.DepthCallback(depth)


def _text_address(struct: ctypes.Structure, offset: int) -> int | None:
    return ctypes.c_void_p.from_address(ctypes.addressof(struct) + offset).value


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    name = build.output_path(build.host_target()).name
    ready = PROJECT / "build" / "windows-made" / name  # by tests/windows/run.sh, where there is no compiler
    if ready.is_file():
        return ready
    compilers.of_this_system()
    return build.build(poison=True, output=tmp_path_factory.mktemp("poisoned") / name)


@pytest.fixture
def keeper(poisoned: Path) -> Iterator[Keeper]:
    made = Keeper(load(poisoned))
    made.connect(full=True)
    market = Market(made.library)
    market.subscribe("WDOFUT", "F")
    market.subscribe_depth("WDOFUT", "F")
    made.server.wait_for(wire.SUBSCRIBE, 2)
    yield made
    made.close()


def test_kept_strings_and_records_are_poison_when_the_callback_has_returned(keeper: Keeper) -> None:
    keeper.server.send(wire.TRADE, **TRADE)
    keeper.server.send(wire.BOOK, index=0, ts_ns=NOON_NS, bid_price=[5400.0] * 10, bid_quantity=[1] * 10)
    keeper.settle()
    assert set(keeper.kept) == {"trade", "trade.asset", "trade.asset.ticker", "depth.asset", "depth.asset.ticker"}
    for name, (_, before) in keeper.kept.items():
        assert before != POISON * len(before), name
        assert keeper.later(name) == POISON * len(before), name
    assert keeper.kept["trade.asset.ticker"][1].decode("utf-16-le" if TICKER_BYTES == 12 else "utf-32-le") == "WDOFUT"


def test_a_kept_trade_pointer_translates_to_nothing(keeper: Keeper) -> None:
    keeper.server.send(wire.TRADE, **TRADE)
    ((opaque,),) = keeper.heard.wait("trade")
    assert keeper.library.dll.TranslateTrade(opaque, TConnectorTrade()) != 0


def test_a_kept_order_identifier_is_poison(keeper: Keeper) -> None:
    def order(identifier: Any) -> None:
        keeper.keep("order", ctypes.addressof(identifier.contents), ctypes.sizeof(identifier.contents))
        keeper.heard.note("raw order")

    callback = p.OrderCallback(order)
    keeper.library.dll.SetOrderCallback(ctypes.cast(callback, ctypes.c_void_p))
    keeper.server.send(wire.ORDER, cl_order_id=b"A1", account=b"12345", broker=7, ticker=b"WDOFUT", exchange=b"F")
    keeper.heard.wait("raw order")
    keeper.settle()
    assert keeper.later("order") == POISON * len(keeper.kept["order"][1])
    keeper.library.dll.SetOrderCallback(None)


def test_what_an_enumeration_gave_is_poison_after_each_call(keeper: Keeper) -> None:
    keeper.server.send(wire.ORDER, cl_order_id=b"A1", account=b"12345", broker=7, ticker=b"WDOFUT", exchange=b"F")
    keeper.settle()

    def each(order: Any, _: int) -> int:
        keeper.keep("enumerated", ctypes.addressof(order.contents), ctypes.sizeof(order.contents))
        return 1

    account = keeper.library.dll.EnumerateAllOrders.argtypes[0]._type_(0, 7, "12345", "", 0)
    assert keeper.library.dll.EnumerateAllOrders(account, 1, 0, p.EnumerateOrderProc(each)) == 0
    assert keeper.later("enumerated") == POISON * len(keeper.kept["enumerated"][1])


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("spine")
def test_the_pipeline_keeps_no_pointer(poisoned: Path, tmp_path: Path) -> None:
    """Native callbacks of ingest and those of execution included: with a kept pointer the tape would hold poison."""
    config = write_config(tmp_path, more=f"path = {json.dumps(str(poisoned))}\n")
    config.write_text(config.read_text(encoding="utf-8").replace('"paper"', '"dry-run"'), encoding="utf-8")
    words = {f"QT_DLL_{name}": "paper" for name in ("KEY", "USER", "PASSWORD", "ROUTING_PASSWORD")}
    with exchange_alone("--speed", "2") as exchange:
        words["PROFITSIM_PORT"] = str(exchange.port)
        with Up(tmp_path, "--config", str(config), "--duration", "15", environment=words) as up:
            assert up.finish() == 0, up.errors()
    assert up.result["lost"] == 0
    tape = Tape.open(next((tmp_path / "runs").glob("*/tape")))
    trades, book = tape.trades(), tape.book()
    assert len(trades) > 300 and len(book) > 300
    assert set(trades["symbol"]) == set(book["symbol"]) == {0}
    assert ((trades["price"] > 5000) & (trades["price"] < 6000) & (trades["quantity"] > 0)).all()
    assert ((book["bid_price"][:, 0] < book["ask_price"][:, 0]) & (book["bid_price"][:, 0] > 5000)).all()


def test_the_default_build_lends_its_originals(library: Library) -> None:
    """The poison costs copies, so it must never be what is built by default."""
    keeper = Keeper(library)
    try:
        keeper.connect()
        Market(library).subscribe("WDOFUT", "F")
        keeper.server.wait_for(wire.SUBSCRIBE)
        keeper.server.send(wire.TRADE, **TRADE)
        keeper.settle()
        assert keeper.later("trade.asset.ticker") == keeper.kept["trade.asset.ticker"][1]
    finally:
        keeper.close()
