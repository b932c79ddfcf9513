import unittest

from harness import stats
from harness.bounds import Bound, check
from harness.measure import Sample, Samples
from harness.series import added_latency


class StatsTest(unittest.TestCase):
    def test_percentile_interpolates_and_takes_a_single_value(self):
        self.assertEqual(stats.percentile([7.0], 99), 7.0)
        self.assertEqual(stats.percentile([0.0, 10.0], 50), 5.0)
        self.assertAlmostEqual(stats.percentile([1.0, 2.0, 3.0, 4.0, 5.0], 90), 4.6)

    def test_spread_is_the_whole_range(self):
        self.assertAlmostEqual(stats.spread([9.0, 10.0, 12.0]), 0.3)

    def test_ratio_pairs_rounds_so_that_a_slow_round_does_not_count(self):
        middle, low, high = stats.paired_ratio([10.0, 5.0, 20.0], [20.0, 10.0, 40.0])
        self.assertEqual((middle, low, high), (0.5, 0.5, 0.5))

    def test_rounds_that_do_not_pair_are_an_error(self):
        with self.assertRaises(ValueError):
            stats.paired_ratio([1.0, 2.0], [1.0])

    def test_interval_holds_the_median_and_is_the_same_each_time(self):
        values, ones = [0.9, 1.0, 1.1, 0.95, 1.3], [1.0] * 5
        first = stats.paired_ratio(values, ones)
        self.assertEqual(first, stats.paired_ratio(values, ones))
        self.assertTrue(0.9 <= first[1] <= first[0] <= first[2] <= 1.3)
        self.assertLess(first[1], first[2])


def samples_of(cpu, relay_throughput=100.0, relay_p50=60.0):
    samples = Samples()
    for own, reference in cpu:
        samples.add("copy-out", "direct", Sample(100.0, latency_us={"avg": 50.0, "p50": 50.0}))
        samples.add("copy-out", "crossfade-rewrite", Sample(100.0, own, 1.0, {"avg": 60.0, "p50": 60.0}))
        samples.add("copy-out", "relay", Sample(relay_throughput, reference, 1.0, {"p50": relay_p50}))
        samples.add("copy-out", "haproxy", Sample(100.0, reference, 1.0))
    return samples


class BoundsTest(unittest.TestCase):
    bound = Bound("copy-out", "crossfade-rewrite", "CPU", "relay", at_most=1.1)

    def test_bound_holds_when_the_interval_reaches_it(self):
        self.assertTrue(check(samples_of([(1.0, 1.0), (1.2, 1.0), (1.3, 1.0)]), "copy-out", self.bound)["holds"])

    def test_bound_does_not_hold_when_every_round_is_beyond_it(self):
        self.assertFalse(check(samples_of([(1.2, 1.0), (1.3, 1.0)]), "copy-out", self.bound)["holds"])

    def test_figure_without_a_reference_is_bounded_itself(self):
        samples = Samples()
        for p99 in (2000.0, 3000.0, 4000.0):
            samples.add("beside-long", "crossfade-rewrite", Sample(1.0, latency_us={"p99": p99, "p99 alone": 1000.0}))
        limit = Bound("beside-long", "crossfade-rewrite", "ms added to p99", at_most=5.0)
        checked = check(samples, "beside-long", limit)
        self.assertEqual(checked["ratio"][0], 2.0)
        self.assertTrue(checked["holds"])

    def test_relay_slower_than_haproxy_is_no_reference(self):
        self.assertIn("slower", check(samples_of([(1.0, 1.0)] * 3, 80.0), "copy-out", self.bound)["not_judged"])

    def test_latency_below_the_noise_is_not_judged(self):
        bound = Bound("copy-out", "crossfade-rewrite", "added latency (p50)", "relay", at_most=1.0)
        checked = check(samples_of([(1.0, 1.0)] * 3, relay_p50=49.0), "copy-out", bound)
        self.assertIn("noise", checked["not_judged"])
        self.assertIsNone(check(samples_of([(1.0, 1.0)] * 3, relay_p50=70.0), "copy-out", bound)["not_judged"])

    def test_target_that_was_not_measured_has_no_verdict(self):
        self.assertIsNone(check(Samples(), "copy-out", self.bound))

    def test_added_latency_is_the_difference_to_direct_in_the_same_round(self):
        self.assertEqual(added_latency(samples_of([(1.0, 1.0)] * 2), "copy-out", "crossfade-rewrite"), [10.0, 10.0])
