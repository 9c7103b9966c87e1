"""What can go wrong between this project and the DLL, as exceptions that say what mends it."""

from __future__ import annotations

from profitdll.constants import LOGIN_ERRORS, LOGIN_NO_REASON, explain, name_of


class ProfitDllError(Exception):
    """The parent of all errors of this package."""


class DllNotFound(ProfitDllError):
    """There is no library at the path, or it is not a library of this system."""


class WrongBitness(ProfitDllError):
    """The library is made for another processor than this Python."""


class MissingExport(ProfitDllError):
    """The library lacks a function of the interface: its version does not fit."""

    def __init__(self, path: str, name: str) -> None:
        super().__init__(f"{path} has no function {name}: install ProfitDLL 4.0.0.30 or newer")
        self.name = name


class SessionError(ProfitDllError):
    """The session is in a state that does not allow the call."""


class SessionTimeout(ProfitDllError):
    """The connected states did not come in time."""


class LoginRefused(ProfitDllError):
    """The server does not let this user in. `code` is the login error."""

    def __init__(self, code: int, what: str = "") -> None:
        super().__init__(what or f"login refused ({code}): {LOGIN_ERRORS.get(code, LOGIN_ERRORS[LOGIN_NO_REASON])}")
        self.code = code


class DllError(ProfitDllError):
    """A function answered with an error code. `code` is the number, `name` its name, e.g. NL_NOT_FOUND."""

    def __init__(self, function: str, code: int) -> None:
        self.function = function
        self.code = code
        self.name = name_of(code)
        super().__init__(f"{function} failed with {self.name}: {explain(code)}")


def checked(function: str, code: int) -> int:
    """Pass a result that is no error through (0, a count or an order id). Raises DllError."""
    if code < 0:
        raise DllError(function, code)
    return code
