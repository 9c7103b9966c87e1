"""The configuration: shipped files load, and what is wrong is told with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.load import DEFAULT, FOLDER, ConfigError, load, merge


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.name)
def test_every_shipped_file_loads(path: Path) -> None:
    assert load(path).instruments


def test_the_real_contracts_are_never_live_by_themselves() -> None:
    assert {load(path).mode for path in FOLDER.glob("*.toml")} <= {"paper", "dry-run"}


BASE = '[[instruments]]\nsymbol = "A"\ntick = 0.5\npoint_value = 10.0\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BASE + "[risk]\nmax_positon = 3\n", r"max_positon.*\$.risk"),
        (BASE + "[risk]\nmax_position = 0\n", r">= 1.*\$.risk.max_position"),
        (BASE + '[risk]\nmax_position = "3"\n', r"Expected `int`.*\$.risk.max_position"),
        (BASE + "[exchange]\nspeed = -1.0\n", r"\$.exchange.speed"),
        (BASE + '[execution]\naccount = "../../x"\n', r"\$.execution.account"),
        (BASE + '[execution]\naccount = "a/b"\n', r"\$.execution.account"),
        (BASE + '[execution]\naccount = ".a"\n', r"\$.execution.account"),
        (BASE + '[execution]\naccount = "a\\n"\n', r"\$.execution.account"),
        (BASE + '[execution]\naccount = ""\n', r"\$.execution.account"),
        (BASE + BASE, "names a symbol twice: A, A"),
        (BASE + "[consensus]\norder_flow = 0.5\n", "add up to 1.2, not 1"),
        (BASE + "[consensus]\nml_weight = 0.5\n", "add up to more or less than 1"),
        (BASE + "[execution]\nmax_quantity = 9\n", r"max_quantity \(9\) is above"),
        (BASE.replace('"A"', '"WDO\u20ac"'), r"WDO.* is not 1 to 15 ASCII characters.*\$.instruments\[0\].symbol"),
        (BASE.replace('"A"', '"ABCDEFGHIJKLMNOP"'), r"is not 1 to 15 ASCII"),
        (BASE.replace('"A"', '""'), r"is not 1 to 15 ASCII.*\.symbol"),
        (BASE + 'order_symbol = "ABCDEFGHIJKLMNOP"\n', r"is not 1 to 15 ASCII.*\.order_symbol"),
        (BASE + 'exchange = "BVMF"\n', r"is not 1 to 3 ASCII.*\.exchange"),
        (BASE + "[exchange]\nseed = -1\n", r">= 0.*\$.exchange.seed"),
        (BASE + "[exchange]\nstart_price = 1e300\n", r"more than 1073741824 ticks of A.*\$.exchange.start_price"),
        ("mode = ", "is not TOML"),
        ('mode = "paper"\n', "instruments"),
        (BASE.replace("0.5", "nan"), r"\$.instruments\[0\].tick"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as error:
        load(path)
    assert "mine.toml" in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no configuration .*nowhere.toml"):
        load(tmp_path / "nowhere.toml")


def test_layers_merge_by_table() -> None:
    assert merge({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"c": 3}, "d": [2]}) == {"a": {"b": 1, "c": 3}, "d": [2]}
    config = load(overrides={"exchange": {"speed": 20.0}})
    assert (config.exchange.speed, config.exchange.start_price) == (20.0, 5400.0)


# --- the table of sessions


def test_a_file_gets_the_exchange_table_and_may_say_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(BASE + '[sessions]\nflat_before_close_min = 5\nholidays = [{ day = 2026-01-02, name = "x" }]\n')
    sessions = load(path).sessions
    assert sessions.table == "b3" and sessions.hours and sessions.flat_before_close_min == 5
    assert [holiday.name for holiday in sessions.holidays] == ["x"], "a list replaces the table's"
    path.write_text(BASE + '[sessions]\ntable = ""\n')
    assert load(path).sessions.hours == ()


def test_a_table_may_stand_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "half.toml").write_text(
        '[[hours]]\nroots = ["ABC"]\nfirst = 2026-01-01\nlast = 2026-12-31\nopens = "10:00"\ncloses = "12:00"\n'
    )
    path = tmp_path / "mine.toml"
    path.write_text(BASE + '[sessions]\ntable = "half.toml"\n')
    assert load(path).sessions.hours[0].roots == ("ABC",)


@pytest.mark.parametrize(
    "more, message",
    [
        ('[sessions]\ntable = "nowhere"\n', "nowhere"),
        ('[sessions]\ntimezone = "America/Nowhere"\n', r"\$.sessions.timezone"),
        ("[sessions]\nflat_before_close_min = 31\n", "no_entry_before_close_min"),
        ('[sessions]\nno_trade = [{ starts = "25:00", ends = "26:00" }]\n', r"\$.sessions.no_trade"),
        ('[sessions]\nholidays = [{ day = "2026-13-01", name = "x" }]\n', r"\$.sessions.holidays"),
        ("sessions = 5\n" + BASE, r"\$.sessions"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path: Path, more: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(more if BASE in more else BASE + more)
    with pytest.raises(ConfigError, match=message):
        load(path)


def test_a_scenario_stands_beside_the_file_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text = DEFAULT.read_text(encoding="utf-8").replace("[exchange]", '[exchange]\nscenario = "faults.toml"')
    path.write_text(text, encoding="utf-8")
    assert load(path).exchange.scenario == str((tmp_path / "faults.toml").resolve())
    assert load(path, {"exchange": {"scenario": "elsewhere"}}).exchange.scenario == "elsewhere"


@pytest.mark.parametrize(
    "execution, named",
    [
        ({"session": "shared", "gateway": "process"}, "set one of them back to 'split' or 'inproc'"),
        ({"target": "resting", "on_same_side": "add"}, "set one of them back to 'local' or 'hold'"),
    ],
)
def test_choices_that_exclude_each_other(execution: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load(None, {"execution": execution})
    for key in execution:
        load(None, {"execution": {key: execution[key]}})
