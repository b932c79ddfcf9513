"""Medians, spreads and ratios of paired rounds."""
import random
import statistics

RESAMPLES = 2000


def percentile(ordered, percent):
    """Of values in ascending order, by linear interpolation."""
    at = (len(ordered) - 1) * percent / 100
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def median(values):
    return statistics.median(values)


def spread(values):
    """Largest minus smallest, as a part of the median."""
    middle = median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


def paired_ratio(values, references):
    """Median of the ratios round by round, with its 95 % bootstrap interval: (median, low, high).

    Rounds are paired because the machine's mood changes between rounds much
    more than within one. The resampling is seeded: the same samples always give
    the same interval.
    """
    ratios = [value / reference for value, reference in zip(values, references, strict=True) if reference]
    if not ratios:
        return None
    return (median(ratios), *bootstrap_interval(ratios))


def bootstrap_interval(values):
    dice = random.Random(20)
    medians = sorted(median(dice.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return percentile(medians, 2.5), percentile(medians, 97.5)
