import unittest

import xml.etree.ElementTree

from harness import aims, crossfade, docs, picture, report, syscalls
from harness.measure import Sample, Samples, takes_part
from harness.results import summary_of_workload
from harness.workloads import Drain, all_workloads

STRACE = """% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.001000           5       200           write
 40.00    0.000500           2       210         3 read
------ ----------- ----------- --------- --------- ----------------
100.00    0.001500           3       410         3 total
"""


def workload_summary():
    samples = Samples()
    for factor in (1.0, 2.0):
        samples.add("copy-out", "direct", Sample(3000.0 * factor))
        samples.add("copy-out", "pgbouncer", Sample(2000.0 * factor, 20.0, 8.0))
        samples.add("copy-out", "relay", Sample(2500.0 * factor, 10.0, 1.0))
    return summary_of_workload(samples, Drain("copy-out", "COPY out", "COPY t TO STDOUT"),
                               {"direct": "direct", "pgbouncer": "PgBouncer", "haproxy": "HAProxy", "relay": "relay"})


class ReportTest(unittest.TestCase):
    def test_ratios_are_to_the_references_that_were_measured(self):
        lines = report.as_text(workload_summary()).splitlines()
        self.assertEqual(lines[1].split()[:4], ["MB/s", "spread", "÷PgB", "÷relay"])
        self.assertNotIn("HAP", lines[1])
        self.assertRegex(lines[4], r"^relay +3,750 +±33% +1\.25 ")
        self.assertIn("0.50", lines[4])

    def test_columns_without_a_value_are_left_out(self):
        self.assertNotIn("+avg", report.as_text(workload_summary()))

    def test_markdown_rows_have_as_many_cells_as_the_heading(self):
        table = [line for line in report.as_markdown(workload_summary()).splitlines() if line.startswith("|")]
        self.assertEqual(len({line.count("|") for line in table}), 1)
        self.assertEqual(len(table), 5)

    def test_only_the_text_between_the_markers_changes(self):
        document = f"before\n{docs.BEGIN}\nold\n{docs.END}\nafter\n"
        replaced = docs.replace_results(document, "new")
        self.assertEqual(replaced, f"before\n{docs.BEGIN}\n\nnew\n\n{docs.END}\nafter\n")
        self.assertEqual(docs.replace_results(replaced, "new"), replaced)

    def test_document_without_markers_is_refused(self):
        with self.assertRaises(ValueError):
            docs.replace_results("nothing here", "new")

    def test_strace_summary_gives_calls_without_the_total(self):
        self.assertEqual(syscalls.parse_summary(STRACE), {"write": 200, "read": 210})


def bound(**changes):
    return {"target": "crossfade-rewrite", "figure": "CPU", "reference": "pgbouncer", "ratio": (0.9, 0.8, 1.1),
            "at_least": None, "at_most": 1.0, "rounds": 15, "holds": True, "not_judged": None, **changes}


def results(*bounds):
    targets = [{"name": "crossfade-rewrite", "title": "crossfade"}, {"name": "pgbouncer", "title": "PgBouncer"}]
    return {"workloads": [{"title": "COPY", "targets": targets, "bounds": list(bounds)}],
            "memory": [{"name": "crossfade-rewrite", "title": "crossfade", "session_kb": 5.0}],
            "syscalls": [{"title": "simple", "targets": [{"name": "relay", "title": "relay", "total": 6.0},
                                                         {"name": "crossfade-rewrite", "title": "crossfade",
                                                          "total": 6.3}]}],
            "micro": [{"name": "rewrite-literals", "title": "another literal", "instructions": 1900, "limit": 2000}]}


class AimsTest(unittest.TestCase):
    def test_counted_aims_need_no_rounds(self):
        verdicts = [row["verdict"] for row in aims.collect(results())]
        self.assertEqual(verdicts, [aims.HOLDS, aims.MISSED, aims.HOLDS])

    def test_too_few_rounds_decide_nothing(self):
        self.assertIn("15 decide", aims.collect(results(bound(rounds=4)))[0]["verdict"])
        self.assertEqual(aims.collect(results(bound()))[0]["verdict"], aims.HOLDS)
        self.assertEqual(aims.collect(results(bound(holds=False)))[0]["verdict"], aims.MISSED)

    def test_table_names_both_sides(self):
        line = report.aims_as_markdown(aims.collect(results(bound()))).splitlines()[6]
        self.assertEqual(line, "| COPY | crossfade: CPU ÷ PgBouncer | ≤ 1.0 | 0.90 [0.80, 1.10] | holds |")

    def test_picture_is_well_formed_and_has_a_dot_for_each_aim(self):
        rows = aims.collect(results(bound(), bound(at_most=None, at_least=1.0, ratio=(0.0, -1.0, 0.5))))
        drawn = xml.etree.ElementTree.fromstring(picture.draw(rows))
        dots = [float(dot.get("cx")) for dot in drawn.iter("{http://www.w3.org/2000/svg}circle")]
        self.assertEqual(len(dots), len(rows))
        self.assertLess(dots[0], picture.place(1))
        self.assertEqual(dots[1], picture.place(picture.WORST))


class RoundsTest(unittest.TestCase):
    def test_only_what_decides_an_aim_goes_on_after_a_few_rounds(self):
        workloads = {workload.name: workload for workload in all_workloads([64, 16, 1])}

        def goes_on(workload, target):
            return takes_part(workloads[workload], target, 3, few=3)
        self.assertTrue(goes_on("select-simple-16", "pgbouncer"))
        self.assertTrue(goes_on("select-simple-16", "haproxy"), "it says whether the relay is fair")
        self.assertFalse(goes_on("select-simple-16", "crossfade-unmapped"))
        self.assertFalse(goes_on("select-simple-16", "direct"))
        self.assertTrue(goes_on("select-simple-1", "direct"), "to it latency is added")
        self.assertTrue(goes_on("select-simple-64", crossfade.TWO_WORKERS))
        self.assertFalse(goes_on("select-simple-16-tls", "pgbouncer-tls"))
        self.assertTrue(takes_part(workloads["select-simple-16-tls"], "pgbouncer-tls", 0, few=3))
        self.assertFalse(takes_part(workloads["select-simple-16-tls"], "pgbouncer", 0, few=3))


class ConfigurationTest(unittest.TestCase):
    def test_rewriting_setting_maps_every_table_and_has_moved_it(self):
        setting = crossfade.SETTINGS["crossfade-rewrite"]
        self.assertIn("  public.pgbench_accounts: elsewhere.pgbench_accounts\n", crossfade.map_text(setting))
        self.assertIn("  public.pgbench_accounts: live\n", crossfade.flags_text(setting))

    def test_empty_map_is_still_a_mapping(self):
        self.assertTrue(crossfade.map_text(crossfade.SETTINGS["crossfade-empty"]).endswith("tables: {}\n"))
