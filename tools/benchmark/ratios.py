"""Medians of ratios, not ratios of medians: contender and reference of one round ran within a
second of each other.
"""

import dataclasses
import statistics


@dataclasses.dataclass
class Spread:
    median: float
    low: float
    high: float


def spread(values):
    return Spread(statistics.median(values), min(values), max(values))


def ratio(values, reference):
    """Of two series measured in the same rounds."""
    if len(values) != len(reference) or not values:
        raise ValueError("a ratio needs two series of the same, non-zero length")
    return spread([one / other for one, other in zip(values, reference)])
