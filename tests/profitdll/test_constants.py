"""Numbers and sentences of the interface."""

from __future__ import annotations

from profitdll import constants as c
from profitdll.errors import DllError, LoginRefused, checked


def test_return_codes_count_from_the_documented_number() -> None:
    assert c.NL_CODES["NL_OK"] == 0
    assert c.NL_CODES["NL_INTERNAL_ERROR"] & 0xFFFFFFFF == 0x80000001
    assert c.NL_CODES["NL_MARKET_ONLY"] & 0xFFFFFFFF == 0x8000000A
    assert c.NL_CODES["NL_NOT_MASTER_ACCOUNT"] & 0xFFFFFFFF == 0x80000020
    assert len(c.NL_CODES) == 33
    assert all(c.name_of(code) == name for name, code in c.NL_CODES.items())


def test_every_error_explains_itself() -> None:
    sentences = [c.explain(code) for code in c.NL_CODES.values() if code]
    assert len(set(sentences)) == len(sentences)
    assert "not documented" in c.explain(-5)
    assert c.name_of(-5) == "0xFFFFFFFB"


def test_checked_passes_results_and_raises_codes() -> None:
    assert checked("GetAccountCount", 3) == 3
    try:
        checked("SendOrder", c.NL_CODES["NL_NO_LOGIN"])
    except DllError as error:
        assert (error.name, error.function) == ("NL_NO_LOGIN", "SendOrder")
        assert "open a session first" in str(error)
    else:
        raise AssertionError("an error code passed")


def test_an_undocumented_login_error_is_still_a_refusal() -> None:
    assert "(77)" in str(LoginRefused(77))


def test_the_two_aggressors_and_the_filled_states() -> None:
    assert (c.TradeType.BUY_AGGRESSOR, c.TradeType.SELL_AGGRESSOR, c.TradeType.RLP) == (2, 3, 13)
    assert (c.OrderStatus.PARTIALLY_FILLED, c.OrderStatus.FILLED) == (1, 2)
    assert (c.OrderType.MARKET, c.OrderType.LIMIT, c.OrderType.STOP_LIMIT) == (1, 2, 4)
