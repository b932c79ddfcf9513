import unittest

from harness import crossfade, docs, report, syscalls
from harness.measure import Sample, Samples
from harness.results import summary_of_workload
from harness.workloads import Drain

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


class ConfigurationTest(unittest.TestCase):
    def test_rewriting_setting_maps_every_table_and_has_moved_it(self):
        setting = crossfade.SETTINGS["crossfade-rewrite"]
        self.assertIn("  public.pgbench_accounts: elsewhere.pgbench_accounts\n", crossfade.map_text(setting))
        self.assertIn("  public.pgbench_accounts: live\n", crossfade.flags_text(setting))

    def test_empty_map_is_still_a_mapping(self):
        self.assertTrue(crossfade.map_text(crossfade.SETTINGS["crossfade-empty"]).endswith("tables: {}\n"))
