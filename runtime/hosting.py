"""Several stages in one process, around one session with the DLL (`execution.session = "shared"`).

The host, the first of them, has the main thread; each other has a thread of its own. All keep their own counters, bell,
heartbeat, command word and log, so that outside of the process nobody has to know. The supervisor tells each when to
stop; one that ends badly ends the others too, for the supervisor starts them again together. Nothing that belongs to a
context may be closed before all of them have ended: the DLL's thread may be in a callback that works on it.

The host is the one whose answer must be quick. So a guest always sleeps at its bell, whatever the configuration says, and
leaves the collecting of garbage to the host's idle moments; and the interpreter changes threads soon after it was
asked to (`execution.stage.SWITCH_S`): for about so long Python work of a guest can hold the host up.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from profitdll.sharing import SharedSession
from runtime.context import StageContext
from runtime.stage import EXIT_CLEAN, EXIT_FAILED, Stage, run
from runtime.wait import wait_policy
from shm import counters as words

Hosted = tuple[Stage, StageContext]


def host(hosted: Sequence[Hosted]) -> int:
    """Run all of them until all have ended; returns the exit code of the process: the worst of theirs."""
    shared = SharedSession()
    for _, context in hosted:
        context.shared_session = shared
    codes: dict[str, int] = {}

    def live(stage: Stage, context: StageContext) -> None:
        code = EXIT_FAILED  # what it is if not even `run` returns
        try:
            code = run(stage, context)
        finally:
            codes[context.name] = code
            if code != EXIT_CLEAN:
                end_the_others(context, hosted)

    guests = [
        threading.Thread(target=live, args=(stage, context), name=context.name, daemon=True)
        for stage, context in hosted[1:]
    ]
    for _, context in hosted[1:]:
        context.is_guest = True
        context.waits = "block"
        context.wait = wait_policy(context.waits, context.bell)
    for guest in guests:
        guest.start()
    try:
        live(*hosted[0])
    finally:
        for guest in guests:
            guest.join()
        shared.close()
    return max(codes.values())


def end_the_others(context: StageContext, hosted: Sequence[Hosted]) -> None:
    """That stage ended badly: the others stop as if the supervisor had told them to."""
    for _, other in hosted:
        if other is not context:
            other.log.error("%s, which shares this process, ended: stopping", context.name)
            other.counters.words[words.STAGE_COMMAND] = words.COMMAND_STOP
            other.doorbells.ring(other.spec.number)
