/* A report says what the ledger's rows add up to, and no more than they allow. */
#include "usage/report.h"

#include "support.h"

#include <string.h>
#include <unistd.h>

#define NOW INT64_C(1800000000000) /* 2027-01-15T08:00:00Z, a whole hour */
#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* A ledger with a schema and nothing else; what it says is then written by hand. */
static void start(struct ledger *ledger)
{
	ledger_init(ledger);
	usage_close(ledger_open(ledger));
	ledger_exec(ledger, "DELETE FROM observations; DELETE FROM entries");
}

static void observe(struct ledger *ledger, int64_t from_ms, int64_t until_ms, const char *stopped)
{
	char sql[512];
	snprintf(sql, sizeof(sql), "INSERT INTO observations (host, pid, version, started_ms, heartbeat_ms, stopped_ms)"
		 " VALUES ('h', 1, '0', %ld, %ld, %s)", (long)from_ms, (long)until_ms, stopped);
	ledger_exec(ledger, sql);
}

/* One use of a statement whose text is its number, at one time. */
static void use(struct ledger *ledger, const char *table, const char *side, const char *kind, const char *application,
		int number, int count, int64_t at_ms)
{
	char sql[2048];
	snprintf(sql, sizeof(sql),
		 "INSERT OR IGNORE INTO entries (table_name) VALUES ('%s');"
		 "INSERT OR IGNORE INTO identities (database, user, application, address)"
		 " VALUES ('aegis', 'app', '%s', '10.0.0.7');"
		 "INSERT OR IGNORE INTO statements (hash, text) VALUES (%d, 'SELECT %d');"
		 "INSERT INTO uses (entry, side, kind, identity, statement, rewritten, refused, unparsed, ok_count,"
		 " error_count, refused_count, row_count, first_ms, last_ms)"
		 " SELECT e.id, '%s', '%s', i.id, s.id, 1, 0, 0, %d, 0, 0, 0, %ld, %ld"
		 " FROM entries e, identities i, statements s"
		 " WHERE e.table_name = '%s' AND i.application = '%s' AND s.hash = %d;"
		 "INSERT INTO hours SELECT %ld, max(id), %d, 0, 0, 0 FROM uses",
		 table, application, number, number, side, kind, count, (long)at_ms, (long)at_ms, table, application,
		 number, (long)(at_ms / HOUR * 3600), count);
	ledger_exec(ledger, sql);
}

static struct report_filter filter_now(void)
{
	struct report_filter filter = report_filter_default();
	filter.now_ms = NOW;
	return filter;
}

static struct report *report_of(struct ledger *ledger, const struct report_filter *filter,
				const struct usage_entry *entries, size_t count)
{
	struct error error;
	struct report *report = report_new(filter);
	bool added = report_add_ledger(report, ledger->path, &error);
	cr_assert(added, "%s", error.message);
	if (entries)
		report_add_entries(report, entries, count, true);
	report_finish(report);
	return report;
}

static const struct report_table *table_of(const struct report *report, const char *name)
{
	for (size_t i = 0; i < report->table_count; i++) {
		if (strcmp(report->tables[i]->name, name) == 0)
			return report->tables[i];
	}
	return NULL;
}

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

Test(report, adds_up_by_table_side_kind_who_and_statement)
{
	struct ledger ledger;
	start(&ledger);
	use(&ledger, "public.prices", "old", "select", "billing", 1, 5, NOW - HOUR);
	use(&ledger, "public.prices", "old", "select", "billing", 2, 7, NOW - DAY);
	use(&ledger, "public.prices", "old", "insert", "loader", 3, 2, NOW - MINUTE);
	use(&ledger, "public.prices", "new", "select", "billing", 4, 1, NOW);
	struct report_filter filter = filter_now();
	filter.statements_max = 2;
	struct report *report = report_of(&ledger, &filter, NULL, 0);
	cr_assert_eq(report->table_count, 1);
	const struct report_side *old = &report->tables[0]->sides[SIDE_OLD];
	cr_assert_eq(old->counts.total, 14);
	cr_assert_eq(old->counts.rewritten, 14);
	cr_assert_eq(old->counts.first_ms, NOW - DAY);
	cr_assert_eq(old->counts.last_ms, NOW - MINUTE);
	cr_assert_eq(old->kinds[USE_SELECT], 12);
	cr_assert_eq(old->kinds[USE_INSERT], 2);
	cr_assert_eq(old->who_count, 2);
	cr_assert_str_eq(old->who[0]->application, "billing");
	cr_assert_eq(old->who[0]->counts.total, 12);
	cr_assert_eq(old->statement_count, 2);
	cr_assert_eq(old->statements_left_out, 1);
	cr_assert_str_eq(old->statements[0]->text, "SELECT 2");
	cr_assert_eq(report->tables[0]->sides[SIDE_NEW].counts.total, 1);
	report_free(report);
	ledger_deinit(&ledger);
}

Test(report, several_ledgers_add_up)
{
	struct ledger one, two;
	struct error error;
	start(&one);
	start(&two);
	use(&one, "public.prices", "old", "select", "billing", 1, 5, NOW - HOUR);
	use(&two, "public.prices", "old", "select", "billing", 1, 6, NOW - DAY);
	use(&two, "public.stocks", "old", "select", "billing", 1, 1, NOW - DAY);
	struct report_filter filter = filter_now();
	struct report *report = report_new(&filter);
	cr_assert(report_add_ledger(report, one.path, &error) && report_add_ledger(report, two.path, &error));
	report_finish(report);
	cr_assert_eq(report->table_count, 2);
	const struct report_side *old = &table_of(report, "public.prices")->sides[SIDE_OLD];
	cr_assert_eq(old->counts.total, 11);
	cr_assert_eq(old->who_count, 1);
	cr_assert_eq(old->statement_count, 1);
	report_free(report);
	ledger_deinit(&one);
	ledger_deinit(&two);
}

Test(report, since_and_until_cut_a_window_out_of_the_series)
{
	struct ledger ledger;
	start(&ledger);
	use(&ledger, "public.prices", "old", "select", "billing", 1, 5, NOW - HOUR);
	use(&ledger, "public.prices", "old", "select", "billing", 2, 7, NOW - 3 * DAY);
	use(&ledger, "public.stocks", "old", "select", "loader", 3, 9, NOW - 5 * DAY);
	struct report_filter filter = filter_now();
	filter.since_ms = NOW - 4 * DAY;
	filter.until_ms = NOW - 2 * DAY;
	struct report *report = report_of(&ledger, &filter, NULL, 0);
	const struct report_table *prices = table_of(report, "public.prices");
	cr_assert_eq(prices->sides[SIDE_OLD].counts.total, 7);
	cr_assert_eq(prices->verdict, REPORT_IN_USE);
	cr_assert_eq(prices->old_last_ms, NOW - HOUR);
	cr_assert_eq(table_of(report, "public.stocks")->sides[SIDE_OLD].counts.total, 0);
	report_free(report);
	ledger_deinit(&ledger);
}

Test(report, narrows_to_table_application_and_user)
{
	struct ledger ledger;
	start(&ledger);
	use(&ledger, "public.prices", "old", "select", "billing", 1, 5, NOW - HOUR);
	use(&ledger, "public.prices", "old", "select", "loader", 1, 6, NOW - HOUR);
	use(&ledger, "public.stocks", "old", "select", "billing", 1, 7, NOW - HOUR);
	ledger_exec(&ledger, "UPDATE entries SET new_name = 'data.prices' WHERE table_name = 'public.prices'");
	struct report_filter filter = filter_now();
	filter.table = "data.prices";
	filter.application = "loader";
	struct report *report = report_of(&ledger, &filter, NULL, 0);
	cr_assert_eq(report->table_count, 1);
	cr_assert_eq(report->tables[0]->sides[SIDE_OLD].counts.total, 6);
	cr_assert_not_null(strstr(report->tables[0]->verdict_text, "looking only at application loader"));
	report_free(report);
	filter.application = NULL;
	filter.user = "nobody";
	report = report_of(&ledger, &filter, NULL, 0);
	cr_assert_eq(report->table_count, 0);
	report_free(report);
	ledger_deinit(&ledger);
}

Test(report, names_entries_that_nobody_ever_used)
{
	struct ledger ledger;
	const struct usage_entry entries[] = { { "public.prices", "data.prices", STAGE_OLD },
					       { "brain.log", NULL, STAGE_COMPLETE } };
	start(&ledger);
	use(&ledger, "public.prices", "old", "select", "billing", 1, 5, NOW - HOUR);
	use(&ledger, "public.gone", "old", "select", "billing", 1, 5, NOW - HOUR);
	struct report_filter filter = filter_now();
	struct report *report = report_of(&ledger, &filter, entries, 2);
	cr_assert_eq(report->table_count, 3);
	const struct report_table *log = table_of(report, "brain.log");
	cr_assert(log->in_map);
	cr_assert_str_eq(log->stage, "complete");
	cr_assert_eq(log->sides[SIDE_OLD].counts.total, 0);
	cr_assert_not(table_of(report, "public.gone")->in_map);
	cr_assert_str_eq(report->tables[2]->name, "brain.log");
	report_free(report);
	ledger_deinit(&ledger);
}

Test(report, finds_gaps_and_who_is_running)
{
	struct ledger ledger;
	start(&ledger);
	observe(&ledger, NOW - 10 * DAY, NOW - 8 * DAY, "NULL");
	observe(&ledger, NOW - 7 * DAY, NOW - 5 * DAY, "0");
	ledger_exec(&ledger, "UPDATE observations SET stopped_ms = heartbeat_ms WHERE id = 2");
	observe(&ledger, NOW - 5 * DAY, NOW - 1000, "NULL");
	struct report_filter filter = filter_now();
	struct report *report = report_of(&ledger, &filter, NULL, 0);
	cr_assert_eq(report->observation_count, 3);
	cr_assert_eq(report->observations[0].end, REPORT_BROKEN_OFF);
	cr_assert_eq(report->observations[1].end, REPORT_STOPPED);
	cr_assert_eq(report->observations[2].end, REPORT_RUNNING);
	cr_assert_eq(report->gap_count, 1);
	cr_assert_eq(report->gaps[0].from_ms, NOW - 8 * DAY);
	cr_assert_eq(report->gaps[0].until_ms, NOW - 7 * DAY);
	cr_assert(report->gaps[0].broken_off);
	cr_assert_eq(report->observed_ms, 9 * DAY);
	report_free(report);
	ledger_deinit(&ledger);
}

Test(verdict, in_use_names_the_most_recent_application)
{
	struct ledger ledger;
	start(&ledger);
	observe(&ledger, NOW - 100 * DAY, NOW, "NULL");
	use(&ledger, "public.prices", "old", "select", "billing", 1, 5, NOW - HOUR);
	use(&ledger, "public.prices", "old", "select", "loader", 1, 5, NOW - 3 * MINUTE);
	use(&ledger, "public.prices", "old", "select", "retired", 1, 5, NOW - 50 * DAY);
	expect_verdict(&ledger, REPORT_IN_USE,
		       "in use by 2 applications, most recent: loader (user app), 3 minutes ago");
}

Test(verdict, refused_uses_are_still_uses)
{
	struct ledger ledger;
	start(&ledger);
	observe(&ledger, NOW - 100 * DAY, NOW, "NULL");
	use(&ledger, "public.prices", "old", "select", "", 1, 5, NOW - HOUR);
	ledger_exec(&ledger, "UPDATE uses SET ok_count = 0, refused_count = 5, refused = 1");
	expect_verdict(&ledger, REPORT_IN_USE, "still tried, and refused, by 1 application, most recent:"
					       " an application without a name (user app), 60 minutes ago");
}

Test(verdict, use_of_the_new_name_is_no_use_of_the_old)
{
	struct ledger ledger;
	start(&ledger);
	observe(&ledger, NOW - 40 * DAY, NOW, "NULL");
	use(&ledger, "public.prices", "new", "select", "billing", 1, 5, NOW - HOUR);
	expect_verdict(&ledger, REPORT_QUIET, "never seen in 40 days of observation");
}

Test(verdict, quiet_after_long_enough_without_old_uses)
{
	struct ledger ledger;
	start(&ledger);
	observe(&ledger, NOW - 100 * DAY, NOW, "NULL");
	use(&ledger, "public.prices", "old", "select", "billing", 1, 5, NOW - 41 * DAY);
	expect_verdict(&ledger, REPORT_QUIET, "not seen for 41 days");
}

Test(verdict, short_observation_proves_nothing)
{
	struct ledger ledger;
	start(&ledger);
	observe(&ledger, NOW - 3 * DAY, NOW, "NULL");
	expect_verdict(&ledger, REPORT_UNKNOWN, "never seen, but observed for 3 days only");
}

Test(verdict, a_table_counts_from_when_it_came_into_the_map)
{
	struct ledger ledger;
	char sql[256];
	start(&ledger);
	observe(&ledger, NOW - 100 * DAY, NOW, "NULL");
	snprintf(sql, sizeof(sql), "INSERT INTO entries (table_name, declared_ms) VALUES ('public.prices', %ld)",
		 (long)(NOW - 2 * DAY));
	ledger_exec(&ledger, sql);
	expect_verdict(&ledger, REPORT_UNKNOWN, "never seen, but observed for 2 days only");
}

Test(verdict, long_gap_proves_nothing)
{
	struct ledger ledger;
	start(&ledger);
	observe(&ledger, NOW - 100 * DAY, NOW - 20 * DAY, "NULL");
	observe(&ledger, NOW - 15 * DAY, NOW, "NULL");
	expect_verdict(&ledger, REPORT_UNKNOWN, "never seen, but 5 days of the last 35 days were not observed");
}

Test(verdict, short_gap_is_mentioned)
{
	struct ledger ledger;
	start(&ledger);
	observe(&ledger, NOW - 100 * DAY, NOW - 20 * DAY, "NULL");
	observe(&ledger, NOW - 20 * DAY + 5000, NOW, "NULL");
	expect_verdict(&ledger, REPORT_QUIET, "never seen in 99 days of observation (5 seconds of it not observed)");
}

Test(verdict, proxy_that_no_longer_runs_proves_nothing)
{
	struct ledger ledger;
	start(&ledger);
	observe(&ledger, NOW - 100 * DAY, NOW - 2 * DAY, "0");
	ledger_exec(&ledger, "UPDATE observations SET stopped_ms = heartbeat_ms");
	expect_verdict(&ledger, REPORT_UNKNOWN, "never seen, but 2 days of the last 35 days were not observed");
}

Test(verdict, lost_counts_prove_nothing)
{
	struct ledger ledger;
	start(&ledger);
	observe(&ledger, NOW - 100 * DAY, NOW, "NULL");
	ledger_exec(&ledger, "UPDATE observations SET lost = 12");
	expect_verdict(&ledger, REPORT_UNKNOWN, "never seen, but 12 counts were lost in the last 35 days");
}

Test(verdict, without_any_observation)
{
	struct ledger ledger;
	start(&ledger);
	expect_verdict(&ledger, REPORT_UNKNOWN, "never observed");
}

Test(verdict, a_table_with_one_name_in_both_schemas_needs_none)
{
	struct ledger ledger;
	const struct usage_entry entries[] = { { "portfolio.holdings", "portfolio.holdings", STAGE_OLD } };
	start(&ledger);
	observe(&ledger, NOW - 40 * DAY, NOW, "NULL");
	use(&ledger, "portfolio.holdings", "old", "select", "billing", 1, 5, NOW - HOUR);
	struct report_filter filter = filter_now();
	struct report *report = report_of(&ledger, &filter, entries, 1);
	cr_assert_eq(table_of(report, "portfolio.holdings")->verdict, REPORT_SAME);
	report_free(report);
	ledger_deinit(&ledger);
}
