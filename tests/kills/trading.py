"""The configuration with which the campaigns trade all the time: every opinion is enough, every limit far away."""

from __future__ import annotations

from pathlib import Path

from tests.spine.rig import write_config

TRADING = """
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
max_trades_per_day = 100000
max_daily_loss = 1e9
max_orders_per_s = 100
max_orders_per_min = 6000
max_cancels_per_s = 100
max_cancels_per_min = 6000
max_drawdown = 1e9
max_losses_in_row = 1000000
min_entry_interval_ms = 0
duplicate_ms = 0
max_message_ratio = 1e9
capital = 1e6
max_order_quantity = 3
"""
CHECKPOINTS = """
[features]
checkpoint_events = 128
"""
WITHOUT_RECORDER = """
[recorder]
enabled = false
"""


def trading_config(
    folder: Path, trades_per_s: float = 60.0, shift: int = 0, history_bars: int = 0, more: str = ""
) -> Path:
    """Written into `folder`. A stage may be restarted as often as a campaign kills it, at once."""
    path = write_config(folder, trades_per_s=trades_per_s, shift=shift, history_bars=history_bars, more=TRADING + more)
    often = "hung_after_s = 30.0\nrestart_limit = 100000\nrestart_window_s = 0.001"
    path.write_text(path.read_text("utf-8").replace("hung_after_s = 30.0", often), encoding="utf-8")
    return path
