"""What the registry says about one feature. Families fill these in beside their kernels, so formula and code are neighbours.

Standard library only: tools read the descriptions without compiling a kernel.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Feature:
    """One column of the vector.

    name, unit: as shown to people; `1` is a pure number. warm_up: what must have happened before it is defined.
    formula: with P the last trade price, C completed closes followed by P, M the mid, t the event's time.
    source: where the formula comes from; empty when it is elementary.
    """

    name: str
    unit: str
    warm_up: str
    formula: str
    source: str = ""
