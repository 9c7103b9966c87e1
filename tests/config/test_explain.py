"""What is said of a refused configuration: the mistake, what may stand there instead, and the place."""

from __future__ import annotations

from typing import Any

import pytest

from config.load import ConfigError, load

INSTRUMENT = {"symbol": "WDOFUT", "tick": 0.5, "point_value": 10.0}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"execution": {"stop_tick": 3}}, "no key `stop_tick` here; did you mean `stop_ticks`? - at `$.execution`"),
        (
            {"instruments": [{**INSTRUMENT, "tik": 1}]},
            "no key `tik` here; did you mean `tick`? - at `$.instruments[0]`",
        ),
        ({"exection": {}}, "no key `exection` here; did you mean `execution`? - at `$`"),
        ({"recorder": {"xyz": 1}}, "no key `xyz` here; there are enabled"),
        ({"instruments": [{"symbol": "WDOFUT"}]}, "the key `tick` is missing - at `$.instruments[0]`"),
        ({"mode": "papper"}, "'papper' is none of 'paper', 'dry-run', 'live' - at `$.mode`"),
        ({"risk": {"max_position": -4}}, "Expected `int` >= 1, not -4 - at `$.risk.max_position`"),
        ({"risk": {"max_position": "3"}}, "Expected `int`, got a text '3' - at `$.risk.max_position`"),
        ({"execution": 3}, "Expected a table, got `int` 3 - at `$.execution`"),
        ({"instruments": {"symbol": 3}}, "Expected a list, got a table - at `$.instruments`"),
    ],
)
def test_the_mistake_and_the_mend(table: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(None, table)
    assert said in str(refused.value)
    assert str(refused.value).split(": ")[0].endswith("paper.toml")
