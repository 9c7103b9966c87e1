"""Credentials of the DLL: from the environment, else from the system's keyring; never from files.

The simulator's are the word "paper" each. They are kept out of every text: `repr` shows none, and they must never be
put into a log, a journal, a crash report or a configuration.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

FIELDS = {
    "key": "QT_DLL_KEY",
    "user": "QT_DLL_USER",
    "password": "QT_DLL_PASSWORD",
    "routing_password": "QT_DLL_ROUTING_PASSWORD",
}
KEYRING_SERVICE = "quantumtrader"
PAPER = "paper"


class MissingCredentials(RuntimeError):
    """A credential that this mode needs is nowhere."""


@dataclass(frozen=True)
class Credentials:
    """What a login to the DLL takes."""

    key: str = field(repr=False)
    user: str = field(repr=False)
    password: str = field(repr=False)
    routing_password: str = field(repr=False)


def credentials(mode: str, simulated: bool = False) -> Credentials:
    """Credentials for a mode; the simulated exchange takes "paper" where nothing is set.

    Raises MissingCredentials, naming the variable, when a real DLL's are not to be found.
    """
    found = {}
    for name, variable in FIELDS.items():
        value = os.environ.get(variable, "")
        if not value and (mode == "paper" or simulated):
            value = PAPER
        if not value:
            value = _from_keyring(variable)
        if not value:
            raise MissingCredentials(
                f"{variable} is not set: mode {mode} needs it; put it into the environment, "
                f"or into the system keyring under service {KEYRING_SERVICE!r} (pip install keyring)"
            )
        found[name] = value
    return Credentials(**found)


def simulated_password() -> str:
    """What the simulated exchange accepts at login: the clients' own, unless QT_SIMULATED_PASSWORD says another."""
    return os.environ.get("QT_SIMULATED_PASSWORD", "") or credentials("paper").password


def _from_keyring(variable: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return ""
    try:
        return keyring.get_password(KEYRING_SERVICE, variable) or ""
    except KeyringError as error:
        raise MissingCredentials(f"the system keyring could not be asked for {variable}: {error}") from error
