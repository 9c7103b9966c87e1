"""The volume curve of a trading day: how the rate of a minute compares with the mean of its session.

High after the opening, a lull at noon, a rise into the close: the U that every study of intraday volume finds
(Admati and Pfleiderer 1988; Jain and Joh 1988). Its mean over the session is 1, so a configured rate is the session's mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

FLOOR, OPENING, CLOSING = 0.62, 1.1, 0.5
OPENING_MINUTES, CLOSING_MINUTES = 35.0, 40.0


def curve(minutes: int) -> Array:
    """(minutes,) float64: the factor of each minute of a session, mean 1. minutes >= 1."""
    middle = np.arange(minutes) + 0.5
    shape = FLOOR + OPENING * np.exp(-middle / OPENING_MINUTES)
    shape += CLOSING * np.exp(-(minutes - middle) / CLOSING_MINUTES)
    return np.asarray(shape / shape.mean())


def session_minutes(session_open: str, session_close: str) -> int:
    """Length of a session in minutes from local times such as "09:00" and "18:00"; "24:00" is midnight."""
    opened, closed = (int(text[:2]) * 60 + int(text[3:]) for text in (session_open, session_close))
    return (closed - opened) % 1440 or 1440
