"""The configuration with which the campaigns trade all the time: every opinion is enough, every limit far away."""

from __future__ import annotations

from pathlib import Path

from tests.spine.rig import FAR_LIMITS, write_config

TRADING = f"""
[agents]
signal_every_ms = 200
[consensus]
decide_on = "signal"
threshold = 0.02
minimum_sources = 1
[execution]
entry_ttl_ms = 300
entry_offset_ticks = 1
confirm_ms = 500
settle_ms = 700
max_quantity = 3
stop_ticks = 3
target_ticks = 3
[risk]
max_position = 3
max_order_quantity = 3
{FAR_LIMITS}"""
CHECKPOINTS = """
[features]
checkpoint_events = 128
"""
WITHOUT_RECORDER = """
[recorder]
enabled = false
"""


GATEWAY_APART = '[execution]\ngateway = "process"\n'


def trading_config(
    folder: Path, trades_per_s: float = 60.0, shift: int = 0, history_bars: int = 0, more: str = "", apart: bool = False
) -> Path:
    """Written into `folder`. A stage may be restarted as often as a campaign kills it, at once. apart: with a gateway of
    its own process."""
    trading = TRADING.replace("[execution]\n", GATEWAY_APART) if apart else TRADING
    path = write_config(folder, trades_per_s=trades_per_s, shift=shift, history_bars=history_bars, more=trading + more)
    often = "hung_after_s = 30.0\nrestart_limit = 100000\nrestart_window_s = 0.001"
    path.write_text(path.read_text("utf-8").replace("hung_after_s = 30.0", often), encoding="utf-8")
    return path


def under_a_strict_licence(path: Path, session: str) -> Path:
    """That configuration at an exchange that takes one session of a key, with `execution.session = session`."""
    scenario = path.with_name("licence.toml")
    scenario.write_text('[[fault]]\nname = "one_session"\n', encoding="utf-8")
    text = path.read_text("utf-8").replace("[exchange]\n", f'[exchange]\nscenario = "{scenario.name}"\n')
    path.write_text(text.replace("[execution]\n", f'[execution]\nsession = "{session}"\n'), encoding="utf-8")
    return path
