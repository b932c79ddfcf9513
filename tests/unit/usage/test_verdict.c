/* When a report says that an old name can go, and why it says that it cannot. */
#include "written_ledger.h"

#include <string.h>

/* The verdict on public.prices, all in one. */
static void expect_verdict(struct ledger *ledger, enum report_verdict verdict, const char *text)
{
	static const struct usage_entry entry = { "public.prices", "data.prices", STAGE_LIVE };
	struct report_filter filter = filter_now();
	struct report *report = report_of(ledger, &filter, &entry, 1);
	const struct report_table *table = table_of(report, "public.prices");
	cr_assert_str_eq(table->verdict_text, text);
	cr_assert_eq(table->verdict, verdict);
	report_free(report);
	ledger_deinit(ledger);
}

Test(verdict, in_use_names_the_most_recent_application)
{
	struct ledger ledger;
	ledger_begin_empty(&ledger);
	ledger_observe(&ledger, NOW - 100 * DAY, NOW, "NULL");
	ledger_use(&ledger, "public.prices", "old", "select", "billing", 1, 5, NOW - HOUR);
	ledger_use(&ledger, "public.prices", "old", "select", "loader", 1, 5, NOW - 3 * MINUTE);
	ledger_use(&ledger, "public.prices", "old", "select", "retired", 1, 5, NOW - 50 * DAY);
	expect_verdict(&ledger, REPORT_IN_USE,
		       "in use by 2 applications, most recent: loader (user app), 3 minutes ago");
}

Test(verdict, refused_uses_are_still_uses)
{
	struct ledger ledger;
	ledger_begin_empty(&ledger);
	ledger_observe(&ledger, NOW - 100 * DAY, NOW, "NULL");
	ledger_use(&ledger, "public.prices", "old", "select", "", 1, 5, NOW - HOUR);
	ledger_exec(&ledger, "UPDATE uses SET ok_count = 0, refused_count = 5, refused = 1");
	expect_verdict(&ledger, REPORT_IN_USE, "still tried, and refused, by 1 application, most recent:"
					       " an application without a name (user app), 60 minutes ago");
}

Test(verdict, use_of_the_new_name_is_no_use_of_the_old)
{
	struct ledger ledger;
	ledger_begin_empty(&ledger);
	ledger_observe(&ledger, NOW - 40 * DAY, NOW, "NULL");
	ledger_use(&ledger, "public.prices", "new", "select", "billing", 1, 5, NOW - HOUR);
	expect_verdict(&ledger, REPORT_READY, "never seen in 40 days of observation");
}

Test(verdict, quiet_after_long_enough_without_old_uses)
{
	struct ledger ledger;
	ledger_begin_empty(&ledger);
	ledger_observe(&ledger, NOW - 100 * DAY, NOW, "NULL");
	ledger_use(&ledger, "public.prices", "old", "select", "billing", 1, 5, NOW - 41 * DAY);
	expect_verdict(&ledger, REPORT_READY, "not seen for 41 days");
}

Test(verdict, short_observation_proves_nothing)
{
	struct ledger ledger;
	ledger_begin_empty(&ledger);
	ledger_observe(&ledger, NOW - 3 * DAY, NOW, "NULL");
	expect_verdict(&ledger, REPORT_UNKNOWN, "never seen, but observed for 3 days only");
}

Test(verdict, a_table_counts_from_when_it_came_into_the_map)
{
	struct ledger ledger;
	char sql[256];
	ledger_begin_empty(&ledger);
	ledger_observe(&ledger, NOW - 100 * DAY, NOW, "NULL");
	snprintf(sql, sizeof(sql), "INSERT INTO entries (table_name, declared_ms) VALUES ('public.prices', %ld)",
		 (long)(NOW - 2 * DAY));
	ledger_exec(&ledger, sql);
	expect_verdict(&ledger, REPORT_UNKNOWN, "never seen, but observed for 2 days only");
}

Test(verdict, long_gap_proves_nothing)
{
	struct ledger ledger;
	ledger_begin_empty(&ledger);
	ledger_observe(&ledger, NOW - 100 * DAY, NOW - 20 * DAY, "NULL");
	ledger_observe(&ledger, NOW - 15 * DAY, NOW, "NULL");
	expect_verdict(&ledger, REPORT_UNKNOWN, "never seen, but 5 days of the last 35 days were not observed");
}

Test(verdict, short_gap_is_mentioned)
{
	struct ledger ledger;
	ledger_begin_empty(&ledger);
	ledger_observe(&ledger, NOW - 100 * DAY, NOW - 20 * DAY, "NULL");
	ledger_observe(&ledger, NOW - 20 * DAY + 5000, NOW, "NULL");
	expect_verdict(&ledger, REPORT_READY, "never seen in 99 days of observation (5 seconds of it not observed)");
}

Test(verdict, proxy_that_no_longer_runs_proves_nothing)
{
	struct ledger ledger;
	ledger_begin_empty(&ledger);
	ledger_observe(&ledger, NOW - 100 * DAY, NOW - 2 * DAY, "0");
	ledger_exec(&ledger, "UPDATE observations SET stopped_ms = heartbeat_ms");
	expect_verdict(&ledger, REPORT_UNKNOWN, "never seen, but 2 days of the last 35 days were not observed");
}

Test(verdict, lost_counts_prove_nothing)
{
	struct ledger ledger;
	ledger_begin_empty(&ledger);
	ledger_observe(&ledger, NOW - 100 * DAY, NOW, "NULL");
	ledger_exec(&ledger, "UPDATE observations SET lost = 12");
	expect_verdict(&ledger, REPORT_UNKNOWN, "never seen, but 12 counts were lost in the last 35 days");
}

Test(verdict, without_any_observation)
{
	struct ledger ledger;
	ledger_begin_empty(&ledger);
	expect_verdict(&ledger, REPORT_UNKNOWN, "never observed");
}

Test(verdict, a_table_with_one_name_in_both_schemas_needs_none)
{
	struct ledger ledger;
	const struct usage_entry entries[] = { { "portfolio.holdings", "portfolio.holdings", STAGE_OLD } };
	ledger_begin_empty(&ledger);
	ledger_observe(&ledger, NOW - 40 * DAY, NOW, "NULL");
	ledger_use(&ledger, "portfolio.holdings", "old", "select", "billing", 1, 5, NOW - HOUR);
	struct report_filter filter = filter_now();
	struct report *report = report_of(&ledger, &filter, entries, 1);
	cr_assert_eq(table_of(report, "portfolio.holdings")->verdict, REPORT_SAME);
	report_free(report);
	ledger_deinit(&ledger);
}

/* ---- columns, forecasts, flips ---- */

static const struct usage_entry prices_live = { "public.prices", "data.prices", STAGE_LIVE };

/* ---- verdicts that others' findings change ---- */

static struct report *quiet_report(struct ledger *ledger)
{
	struct error error;
	struct report_filter filter = filter_now();
	ledger_begin_empty(ledger);
	ledger_observe(ledger, NOW - 100 * DAY, NOW, "NULL");
	struct report *report = report_new(&filter);
	cr_assert(report_add_ledger(report, ledger->path, &error));
	report_add_entries(report, &prices_live, 1, true);
	return report;
}

static void expect_only(struct report *report, enum report_verdict verdict, const char *text)
{
	report_finish(report);
	cr_assert_str_eq(report->tables[0]->verdict_text, text);
	cr_assert_eq(report->tables[0]->verdict, verdict);
	cr_assert_eq(report_is_ready(report->tables[0]), verdict == REPORT_READY);
	report_free(report);
}

Test(verdict, nobody_bypasses_is_said_only_when_somebody_has_looked)
{
	struct ledger ledger;
	struct report *report = quiet_report(&ledger);
	report_set_bypass_known(report);
	expect_only(report, REPORT_READY, "never seen in 100 days of observation, and nobody bypasses the proxy");
	ledger_deinit(&ledger);
}

Test(verdict, sessions_past_the_proxy_keep_a_table_from_being_ready)
{
	struct ledger ledger;
	struct report *report = quiet_report(&ledger);
	report_set_bypass_known(report);
	report_add_bypass(report, "etl", "cron", 2);
	report_add_bypass(report, "dba", "", 1);
	expect_only(report, REPORT_BYPASSED, "never seen, but 3 sessions come past the proxy, such as cron (user etl)");
	ledger_deinit(&ledger);
}

Test(verdict, functions_that_name_the_table_block_it)
{
	struct ledger ledger;
	struct report *report = quiet_report(&ledger);
	report_add_blocker(report, "public.prices", "function public.f()");
	report_add_blocker(report, "public.prices", "view public.v");
	expect_only(report, REPORT_BLOCKED, "function public.f(), view public.v name it");
	ledger_deinit(&ledger);
}

Test(verdict, deprecated_columns_by_the_new_name_are_told)
{
	static const char *const deprecated[] = { "priority" };
	struct usage_entry entry = prices_live;
	struct ledger ledger;
	ledger_begin_empty(&ledger);
	ledger_observe(&ledger, NOW - 100 * DAY, NOW, "NULL");
	ledger_use(&ledger, "public.prices", "new", "select", "billing", 1, 5, NOW - HOUR);
	ledger_name_column(&ledger, "new", "billing", 1, "priority", 5, NOW - HOUR);
	entry.deprecated = deprecated;
	entry.deprecated_count = 1;
	struct report_filter filter = filter_now();
	struct report *report = report_of(&ledger, &filter, &entry, 1);
	cr_assert_eq(report->tables[0]->verdict, REPORT_DEPRECATED);
	cr_assert_str_eq(report->tables[0]->verdict_text, "deprecated columns still read: priority by billing");
	report_free(report);
	ledger_deinit(&ledger);
}

/* Who takes all columns may read the deprecated ones. */
Test(verdict, deprecated_columns_behind_a_star_are_told)
{
	static const char *const deprecated[] = { "priority", "rating" };
	struct usage_entry entry = prices_live;
	struct ledger ledger;
	ledger_begin_empty(&ledger);
	ledger_observe(&ledger, NOW - 100 * DAY, NOW, "NULL");
	ledger_use(&ledger, "public.prices", "new", "select", "billing", 1, 5, NOW - HOUR);
	ledger_use(&ledger, "public.prices", "new", "select", "shop", 2, 5, NOW - HOUR);
	ledger_use(&ledger, "public.prices", "new", "select", "past", 3, 5, NOW - 90 * DAY);
	ledger_name_column(&ledger, "new", "billing", 1, "priority", 5, NOW - HOUR);
	ledger_name_column(&ledger, "new", "shop", 2, "*", 5, NOW - HOUR);
	ledger_name_column(&ledger, "new", "past", 3, "*", 5, NOW - 90 * DAY);
	struct report_filter filter = filter_now();
	struct report *report = report_of(&ledger, &filter, &entry, 1);
	cr_assert_eq(report->tables[0]->verdict, REPORT_READY, "without deprecated columns nobody minds");
	report_free(report);
	entry.deprecated = deprecated;
	entry.deprecated_count = 2;
	report = report_of(&ledger, &filter, &entry, 1);
	cr_assert_eq(report->tables[0]->verdict, REPORT_DEPRECATED);
	cr_assert_str_eq(report->tables[0]->verdict_text,
			 "deprecated columns still read: priority by billing; priority, rating by shop, as all columns (*)");
	report_free(report);
	entry.deprecated = deprecated + 1;
	entry.deprecated_count = 1;
	report = report_of(&ledger, &filter, &entry, 1);
	cr_assert_str_eq(report->tables[0]->verdict_text, "deprecated columns still read: rating by shop, as all columns (*)");
	report_free(report);
	ledger_deinit(&ledger);
}

Test(verdict, ready_says_when_the_database_could_not_be_asked)
{
	struct ledger ledger;
	ledger_begin_empty(&ledger);
	ledger_observe(&ledger, NOW - 100 * DAY, NOW, "NULL");
	struct report *report = quiet_report(&ledger);
	report_add_asked(report, NULL, NOW, NULL);
	report_add_asked(report, "second", 0, "no route to host");
	report_finish(report);
	cr_assert_eq(report->tables[0]->verdict, REPORT_READY);
	cr_assert_str_eq(report->tables[0]->verdict_text,
			 "never seen in 100 days of observation; the database could not be asked what in it names the table");
	report_free(report);
	ledger_deinit(&ledger);
}
