"""Which gateway execution has, as `execution.gateway` says: in this process, or the link to one in its own."""

from __future__ import annotations

from collections.abc import Callable

from execution.broker import Broker
from execution.gateway import Gateway, GatewayCore, OrderSession
from execution.gateway_link import GatewayLink
from runtime.context import StageContext

Connect = Callable[[StageContext, Callable[[int, str], None]], Broker]


def open_gateway(context: StageContext, connect: Connect) -> tuple[Gateway, OrderSession]:
    """The gateway and the session behind it; whatever they have to tell wakes the stage at its bell.

    connect: opens the session of this process, if it has one.
    """
    if context.config.execution.gateway == "process":
        link = GatewayLink(
            context.writer("commands"),
            context.reader("reports"),
            context.counters,
            context.block_of("gateway"),
            context.epoch,
            context.clock.monotonic_ns,
        )
        return link, link
    return open_here(context, connect)


def open_here(context: StageContext, connect: Connect) -> tuple[GatewayCore, Broker]:
    """A session of this process, and the gateway over it. What changes before it is there, the first listing tells."""
    opened: list[GatewayCore] = []
    bell = context.bell

    def changed(local_id: int, cl_order_id: str) -> None:
        """On the DLL's thread."""
        if opened:
            opened[0].changed(local_id, cl_order_id)

    broker = connect(context, changed)
    core = GatewayCore(broker, context.clock.monotonic_ns, lambda: bell.doorbells.ring(bell.number))
    bell.watch(core.changed_address, core.taken_address, core)
    opened.append(core)
    return core, broker
