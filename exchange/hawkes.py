"""Self-exciting arrivals: a Hawkes process with a sum of two exponential kernels, simulated exactly.

    intensity  lambda(t) = base(t) + sum over k of E_k(t)
    E_k(t)     = sum over arrivals t_i < t of jump_k exp(-decay_k (t - t_i)),  jump_k = branching_k decay_k
    branching ratio n = sum of branching_k < 1; stationary mean = base / (1 - n); variance of the count in a window much
    longer than 1 / decay: mean x window / (1 - n)^2

Between arrivals each E_k only decays, so the state is two numbers. The next arrival is the earliest of independent
waits, one for the base and one for each E_k: an exponential wait, and the inverse of 1 - exp(-(E/b)(1 - exp(-b t))).
Sources: Hawkes 1971 (process), Ogata 1981 (intensity and compensator), Dassios and Zhao 2013 (exact simulation). The base
is held constant between two arrivals. No random source here: uniform draws come in.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from typing import Any

from shm.jit import inline, kernel

NEVER_S = 1e9


@dataclass(frozen=True)
class Hawkes:
    """branching: children of one arrival through each kernel; decay_per_s: of each kernel. Raises ValueError."""

    branching: tuple[float, float]
    decay_per_s: tuple[float, float]

    def __post_init__(self) -> None:
        if min(self.branching) < 0 or min(self.decay_per_s) <= 0:
            raise ValueError(f"branching {self.branching} must be >= 0 and decays {self.decay_per_s} > 0")
        if self.ratio >= 1:
            raise ValueError(f"the branching ratio {self.ratio:g} must be below 1, or arrivals never end")

    @property
    def ratio(self) -> float:
        """Mean number of arrivals that one arrival causes directly."""
        return sum(self.branching)

    @property
    def jumps(self) -> tuple[float, float]:
        """What one arrival adds to each E_k, per second."""
        return self.branching[0] * self.decay_per_s[0], self.branching[1] * self.decay_per_s[1]

    def base(self, mean_per_s: float) -> float:
        """The base rate that gives this stationary mean."""
        return mean_per_s * (1.0 - self.ratio)

    def stationary(self, mean_per_s: float) -> tuple[float, float]:
        """Mean of each E_k in the stationary state."""
        return self.branching[0] * mean_per_s, self.branching[1] * mean_per_s


@inline
def decaying_wait_s(rate: Any, decay: Any, draw: Any) -> Any:
    """Wait for an arrival whose intensity is rate x exp(-decay t); NEVER_S when it dies out first. draw in [0, 1)."""
    if rate <= 0.0:
        return NEVER_S
    left = 1.0 + decay * log(1.0 - draw) / rate
    return -log(left) / decay if left > 0.0 else NEVER_S


@inline
def wait_s(base: Any, first: Any, second: Any, decays: Any, draw_0: Any, draw_1: Any, draw_2: Any) -> Any:
    """Wait for the next arrival from the constant and the two decaying parts of an intensity, per second."""
    wait = -log(1.0 - draw_0) / base if base > 0.0 else NEVER_S
    wait = min(wait, decaying_wait_s(first, decays[0], draw_1))
    return min(wait, decaying_wait_s(second, decays[1], draw_2))


@inline
def decay(excitation: Any, decays: Any, seconds: Any) -> None:
    """Let time pass over the two E_k."""
    excitation[0] *= exp(-decays[0] * seconds)
    excitation[1] *= exp(-decays[1] * seconds)


@kernel("void(float64, float64[::1], float64[::1], float64[::1], float64[:, ::1], float64[::1], float64[::1])")
def arrivals(base: float, excitation: Any, decays: Any, jumps: Any, draws: Any, times_s: Any, intensity: Any) -> None:
    """len(times_s) arrivals from time 0, and the intensity just before each. draws (n, 3) uniform in [0, 1)."""
    now = 0.0
    for i in range(len(times_s)):
        wait = wait_s(base, excitation[0], excitation[1], decays, draws[i, 0], draws[i, 1], draws[i, 2])
        decay(excitation, decays, wait)
        now += wait
        times_s[i] = now
        intensity[i] = base + excitation[0] + excitation[1]
        excitation[0] += jumps[0]
        excitation[1] += jumps[1]
