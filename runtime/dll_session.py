"""Which session with the DLL a stage gets, and what a refused one means in this configuration.

`execution.session = "split"`: a session of its own, two for one activation key. "shared": its part of the one full login
of its process, which the host gave to its context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.schema import Config
from profitdll.constants import LOGIN_NO_REASON
from profitdll.errors import DllError, LoginRefused
from profitdll.session import MakeSession, Session

if TYPE_CHECKING:
    from runtime.context import StageContext


def session_maker(context: StageContext) -> MakeSession:
    """What makes the stage's session, with the arguments of `profitdll.session.Session`."""
    return Session if context.shared_session is None else context.shared_session.join


def refused_login(error: Exception, config: Config) -> str:
    """Why there is no session, for people; with the mend where the second session of one key may be what was refused."""
    text = str(error)
    no_reason = isinstance(error, LoginRefused) and error.code == LOGIN_NO_REASON
    second = isinstance(error, DllError) and error.name == "NL_DUPLICATE_RESOURCE"
    if config.execution.session == "split" and (no_reason or second):
        text += (
            '. With execution.session = "split" market data and routing each open a session: '
            'if the licence allows one for a key, set execution.session = "shared"'
        )
    return text
