"""Self-exciting arrivals: against theory, and against a slow twin that sums over every past arrival."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest

from exchange.hawkes import Hawkes, arrivals

PROCESS = Hawkes(branching=(0.4, 0.3), decay_per_s=(20.0, 0.5))
MEAN = 8.0


def simulate(count: int, seed: int = 1, process: Hawkes = PROCESS) -> tuple[np.ndarray, np.ndarray]:
    draws = np.random.default_rng(seed).random((count, 3))
    times, intensity = np.zeros(count), np.zeros(count)
    start = np.array(process.stationary(MEAN))
    arrivals(
        process.base(MEAN), start, np.array(process.decay_per_s), np.array(process.jumps), draws, times, intensity
    )  # fmt: skip
    return times, intensity


def slow_intensity(t: float, past: np.ndarray, process: Hawkes) -> float:
    """The definition: the base, what the start left, and every past arrival's kernel."""
    total = process.base(MEAN)
    for start, jump, decay in zip(process.stationary(MEAN), process.jumps, process.decay_per_s, strict=True):
        total += start * exp(-decay * t) + sum(jump * exp(-decay * (t - each)) for each in past)
    return total


def test_intensity_is_the_sum_over_all_past_arrivals():
    times, intensity = simulate(600)
    for i in range(0, 600, 7):
        assert intensity[i] == pytest.approx(slow_intensity(times[i], times[:i], PROCESS), rel=1e-9)


def compensator(times: np.ndarray, process: Hawkes) -> np.ndarray:
    """Integral of the intensity between consecutive arrivals, from the definition in closed form."""
    out = np.zeros(len(times))
    level = list(process.stationary(MEAN))
    before = 0.0
    for i, t in enumerate(times):
        wait = t - before
        out[i] = process.base(MEAN) * wait
        for k, decay in enumerate(process.decay_per_s):
            out[i] += level[k] / decay * (1.0 - exp(-decay * wait))
            level[k] = level[k] * exp(-decay * wait) + process.jumps[k]
        before = t
    return out


def distance_to_exponential(values: np.ndarray) -> float:
    """Kolmogorov's distance between the values and an exponential distribution of mean 1."""
    ordered = np.sort(values)
    expected = 1.0 - np.exp(-ordered)
    steps = np.arange(1, len(ordered) + 1) / len(ordered)
    return float(max(np.abs(steps - expected).max(), np.abs(steps - 1 / len(ordered) - expected).max()))


def test_time_measured_in_intensity_is_a_unit_poisson_process():
    times, _ = simulate(20_000)
    waits = compensator(times, PROCESS)
    assert waits.mean() == pytest.approx(1.0, abs=0.03)
    assert distance_to_exponential(waits) < 1.63 / np.sqrt(len(waits))  # 1 % level
    assert abs(np.corrcoef(waits[1:], waits[:-1])[0, 1]) < 3 / np.sqrt(len(waits))


def test_mean_and_variance_of_counts_are_those_of_theory():
    times, _ = simulate(400_000, seed=2)
    assert len(times) / times[-1] == pytest.approx(MEAN, rel=0.03)
    window_s = 60.0
    counts = np.histogram(times, np.arange(0.0, times[-1], window_s))[0]
    fano = counts.var() / counts.mean()
    # the limit for long windows, less what the slow kernel has not answered by the window's end
    assert fano == pytest.approx(1.0 / (1.0 - PROCESS.ratio) ** 2, rel=0.2)
    assert fano > 5.0


def test_without_excitation_it_is_a_poisson_process():
    plain = Hawkes(branching=(0.0, 0.0), decay_per_s=(1.0, 1.0))
    times, intensity = simulate(50_000, process=plain)
    assert (intensity == MEAN).all()
    counts = np.histogram(times, np.arange(0.0, times[-1], 5.0))[0]
    assert counts.var() / counts.mean() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("branching", "decay", "why"),
    [
        ((0.6, 0.4), (1.0, 1.0), "must be below 1"),
        ((-0.1, 0.4), (1.0, 1.0), "must be >= 0"),
        ((0.1, 0.1), (0.0, 1.0), "> 0"),
    ],
)
def test_a_process_that_never_ends_is_refused(branching, decay, why):
    with pytest.raises(ValueError, match=why):
        Hawkes(branching, decay)
