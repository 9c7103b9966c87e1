"""When a stage looks for garbage: in idle moments, not between a signal and its order.

Python's collector of cycles runs whenever enough objects were made, which is most likely where most are made: on the hot
path. While a stage runs it is switched off and asked here instead. What the start left behind (modules, compiled code) is
put aside for good, so that a full collection looks at the stage's own objects only. It frees nothing by itself that
reference counts do not free; a stage that is never idle collects all the same.
"""

from __future__ import annotations

import gc
from types import TracebackType

YOUNG = 2_000  # objects made since the last collection that are worth an idle moment
TOO_MANY = 50_000  # then it is done at once
FULL_EVERY = 500  # collections; each so many it looks at the older objects too


class OwnTime:
    """Used by `with` around the loop of a stage; `look` in each of its turns. What was before holds again at the end."""

    def __init__(self, mine: bool = True) -> None:
        """mine: False for a guest in another stage's process (runtime.hosting), whose idle moments are not its host's."""
        self._mine = mine
        self._collections = 0

    def __enter__(self) -> OwnTime:
        if not self._mine:
            return self
        self._was_enabled = gc.isenabled()
        gc.freeze()  # without a collection: a restart would wait for it
        gc.disable()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._mine:
            return
        gc.unfreeze()
        if self._was_enabled:
            gc.enable()

    def look(self, idle: bool) -> None:
        """Collect if it is time: enough young objects and nothing to do, or too many."""
        young = gc.get_count()[0]
        if not self._mine or young < YOUNG or not (idle or young >= TOO_MANY):
            return
        self._collections += 1
        gc.collect(2 if self._collections % FULL_EVERY == 0 else 1)
