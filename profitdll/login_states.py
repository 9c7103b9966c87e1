"""What the DLL's states say about a login: what is missing, and whether it was refused. Pure.

A session with routing has more users than one kind: who only wants market data is not concerned when routing goes. So
whoever asks says whether routing counts.
"""

from __future__ import annotations

from collections.abc import Mapping

from profitdll import constants as c
from profitdll.constants import StateType
from profitdll.errors import LoginRefused


def missing(states: Mapping[int, int], routing: bool) -> list[str]:
    """What keeps a login from being complete, in words. states: last value of each StateType; absent: never came."""
    found = []
    if states.get(StateType.LOGIN) != c.LOGIN_CONNECTED:
        found.append("no answer to the login (is the server reachable?)")
    if routing and states.get(StateType.ROUTING) not in c.ROUTING_CONNECTED:
        found.append(f"routing is not connected (state {states.get(StateType.ROUTING, 'unknown')})")
    market = states.get(StateType.MARKET_DATA)
    if market not in c.MARKET_CONNECTED:
        said = "unknown" if market is None else c.MARKET_STATES.get(market, str(market))
        found.append(f"market data are not connected ({said})")
    if states.get(StateType.ACTIVATION) != c.ACTIVATION_VALID:
        found.append("the activation key is not confirmed")
    return found


def refusal(states: Mapping[int, int]) -> LoginRefused | None:
    """Why the server does not let this user in, None while it has not said so."""
    login, activation = states.get(StateType.LOGIN, 0), states.get(StateType.ACTIVATION, 0)
    if login != c.LOGIN_CONNECTED:
        return LoginRefused(login)
    if activation != c.ACTIVATION_VALID:
        return LoginRefused(activation, f"the activation key is not valid ({activation}): ask Nelogica to renew it")
    return None
