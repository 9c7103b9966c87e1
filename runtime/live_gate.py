"""The one door to real orders: `mode = live` in the configuration AND `up --live ACCOUNT` naming its account.

A real DLL without both is a dry run: everything but sending. Nobody goes live by a path in a file.
"""

from __future__ import annotations

from config.schema import Config


class NotLive(RuntimeError):
    """The mode and the command line do not agree; the message says what is missing."""


def check_mode(config: Config, live_account: str | None) -> None:
    """Raises NotLive unless the mode, the DLL and the command line fit together."""
    if config.mode == "live":
        if not config.dll.path:
            raise NotLive("mode = live needs dll.path, the ProfitDLL64.dll; the simulator cannot be live")
        if not live_account:
            raise NotLive("mode = live needs the account on the command line too: up --live ACCOUNT")
        if live_account != config.execution.account:
            raise NotLive(
                f"--live {live_account} is not the configured account {config.execution.account}; correct one of them"
            )
    elif live_account:
        raise NotLive(
            f'--live {live_account} with mode = {config.mode}: set mode = "live" in the configuration, or leave --live out'
        )
    if config.mode == "paper" and config.dll.path:
        raise NotLive('mode = paper uses the simulated DLL; take dll.path out, or set mode = "dry-run"')
    if config.exchange.tape and config.dll.path:
        raise NotLive("a tape is played by the simulated exchange; it cannot be used with a real dll.path")
