/* A report says what the ledger's rows add up to, and no more than they allow. */
#include "usage/sightings.h"
#include "usage/report.h"
#include "usage/report_diff.h"

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
	expect_verdict(&ledger, REPORT_READY, "never seen in 40 days of observation");
}

Test(verdict, quiet_after_long_enough_without_old_uses)
{
	struct ledger ledger;
	start(&ledger);
	observe(&ledger, NOW - 100 * DAY, NOW, "NULL");
	use(&ledger, "public.prices", "old", "select", "billing", 1, 5, NOW - 41 * DAY);
	expect_verdict(&ledger, REPORT_READY, "not seen for 41 days");
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
	expect_verdict(&ledger, REPORT_READY, "never seen in 99 days of observation (5 seconds of it not observed)");
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

/* ---- columns, forecasts, flips ---- */

static const struct usage_entry prices_live = { "public.prices", "data.prices", STAGE_LIVE };

/* Statement `number` names the column, for that application. */
static void name_column(struct ledger *ledger, const char *side, const char *application, int number,
			const char *column, int count, int64_t at_ms)
{
	char sql[1024];
	snprintf(sql, sizeof(sql),
		 "INSERT INTO column_uses SELECT e.id, '%s', '%s', i.id, %d, %ld, %ld FROM entries e, identities i"
		 " WHERE e.table_name = 'public.prices' AND i.application = '%s';"
		 "INSERT OR IGNORE INTO statement_columns SELECT s.id, e.id, '%s', '%s' FROM entries e, statements s"
		 " WHERE e.table_name = 'public.prices' AND s.hash = %d",
		 side, column, count, (long)at_ms, (long)at_ms, application, side, column, number);
	ledger_exec(ledger, sql);
}

static void foretell(struct ledger *ledger, int number, const char *stage, const char *outcome, const char *reason)
{
	char sql[512];
	snprintf(sql, sizeof(sql),
		 "INSERT INTO forecasts SELECT s.id, e.id, 'old', '%s', '%s', %s, 1 FROM entries e, statements s"
		 " WHERE e.table_name = 'public.prices' AND s.hash = %d", stage, outcome, reason, number);
	ledger_exec(ledger, sql);
}

Test(report, columns_are_counted_and_the_deprecated_come_first)
{
	static const char *const deprecated[] = { "priority", "unused" };
	struct usage_entry entry = prices_live;
	struct ledger ledger;
	start(&ledger);
	use(&ledger, "public.prices", "old", "select", "billing", 1, 5, NOW - HOUR);
	use(&ledger, "public.prices", "old", "select", "loader", 1, 5, NOW - HOUR);
	name_column(&ledger, "old", "billing", 1, "close", 5, NOW - HOUR);
	name_column(&ledger, "old", "billing", 1, "priority", 5, NOW - 50 * DAY);
	name_column(&ledger, "old", "loader", 1, "priority", 6, NOW - HOUR);
	entry.deprecated = deprecated;
	entry.deprecated_count = 2;
	struct report_filter filter = filter_now();
	struct report *report = report_of(&ledger, &filter, &entry, 1);
	const struct report_table *table = report_find(report, "data.prices");
	cr_assert_eq(table->column_count, 3);
	cr_assert_str_eq(table->columns[0]->name, "priority");
	cr_assert_eq(table->columns[0]->counts[SIDE_OLD], 11);
	cr_assert_eq(table->columns[0]->application_count, 1);
	cr_assert_str_eq(table->columns[0]->applications[0], "loader");
	cr_assert_str_eq(table->columns[1]->name, "unused");
	cr_assert_eq(table->columns[1]->counts[SIDE_OLD], 0);
	cr_assert_str_eq(table->columns[2]->name, "close");
	cr_assert_not(table->columns[2]->deprecated);
	cr_assert_eq(table->sides[SIDE_OLD].statements[0]->column_count, 2);
	cr_assert_str_eq(table->sides[SIDE_OLD].statements[0]->columns[0], "close");
	cr_assert_not_null(strstr(table->verdict_text, "; deprecated columns still read: priority by loader"));
	report_free(report);
	ledger_deinit(&ledger);
}

Test(report, forecasts_of_the_next_stage_are_summed_and_older_ones_do_not_count)
{
	struct ledger ledger;
	start(&ledger);
	for (int i = 1; i <= 4; i++)
		use(&ledger, "public.prices", "old", "select", "billing", i, 10 - i, NOW - HOUR);
	foretell(&ledger, 1, "complete", "refused", "'would be gone'");
	foretell(&ledger, 2, "complete", "fine", "NULL");
	foretell(&ledger, 3, "live", "refused", "NULL"); /* of when it was old */
	struct report_filter filter = filter_now();
	struct report *report = report_of(&ledger, &filter, &prices_live, 1);
	const struct report_table *table = table_of(report, "public.prices");
	cr_assert_str_eq(table->forecast.stage, "complete");
	cr_assert_eq(table->forecast.refused, 1);
	cr_assert_eq(table->forecast.fine, 1);
	cr_assert_eq(table->forecast.unknown, 2);
	cr_assert_str_eq(table->sides[SIDE_OLD].statements[0]->forecast, "refused");
	cr_assert_str_eq(table->sides[SIDE_OLD].statements[0]->forecast_reason, "would be gone");
	cr_assert_null(table->sides[SIDE_OLD].statements[2]->forecast);
	report_free(report);
	ledger_deinit(&ledger);
}

Test(report, flips_and_forecasts_written_by_the_proxy_are_read_back)
{
	struct ledger ledger;
	struct usage_entry entry = { "public.prices", "data.prices", STAGE_OLD };
	ledger_init(&ledger);
	struct usage *usage = ledger_open(&ledger);
	struct statement_shape *shape = shape_of("SELECT 1 FROM prices", "public.prices", SIDE_OLD, USE_SELECT);
	usage_declare(usage, &entry, 1);
	usage_foretell(usage, shape, "public.prices", SIDE_OLD, STAGE_COMPLETE, USAGE_FORECAST_REFUSED, "it\x01s old");
	ledger_wait_until(&ledger, "SELECT count(*) FROM entries", 1);
	entry.stage = STAGE_LIVE;
	usage_declare(usage, &entry, 1);
	ledger_wait_until(&ledger, "SELECT count(*) FROM flips", 1);
	usage_declare(usage, &entry, 1); /* the same again is no flip */
	usage_close(usage);
	statement_shape_unref(shape);
	cr_assert_eq(ledger_number(&ledger, "SELECT count(*) FROM next_stage WHERE outcome = 'refused'"
					    " AND next_stage = 'complete' AND reason = 'it s old'"), 1);
	struct report_filter filter = report_filter_default();
	struct report *report = report_of(&ledger, &filter, NULL, 0);
	cr_assert_eq(report->flip_count, 1);
	cr_assert_str_eq(report->flips[0].table, "public.prices");
	cr_assert_str_eq(report->flips[0].from, "old");
	cr_assert_str_eq(report->flips[0].to, "live");
	report_free(report);
	ledger_deinit(&ledger);
}

Test(report, flips_of_several_ledgers_are_one_list)
{
	struct ledger one, two;
	struct error error;
	start(&one);
	start(&two);
	ledger_exec(&one, "INSERT INTO entries (id, table_name) VALUES (1, 'public.prices');"
			  "INSERT INTO flips VALUES (1, 1, 1000, 'old', 'live'), (2, 1, 900000, 'live', 'old'),"
			  " (3, 1, 920000, 'old', 'live')");
	ledger_exec(&two, "INSERT INTO entries (id, table_name) VALUES (1, 'public.prices');"
			  "INSERT INTO flips VALUES (1, 1, 1900, 'old', 'live'), (2, 1, 500000, 'live', 'complete')");
	struct report_filter filter = filter_now();
	struct report *report = report_new(&filter);
	cr_assert(report_add_ledger(report, one.path, &error) && report_add_ledger(report, two.path, &error));
	report_finish(report);
	cr_assert_eq(report->flip_count, 4);
	cr_assert_eq(report->flips[0].at_ms, 920000);
	cr_assert_eq(report->flips[1].at_ms, 900000);
	cr_assert_eq(report->flips[2].at_ms, 500000);
	cr_assert_eq(report->flips[3].at_ms, 1000);
	report_free(report);
	ledger_deinit(&one);
	ledger_deinit(&two);
}

Test(report, several_ledgers_agree_on_an_entry)
{
	struct ledger one, two;
	struct error error;
	start(&one);
	start(&two);
	ledger_exec(&one, "INSERT INTO entries (table_name, stage, declared_ms) VALUES ('public.prices', 'live', 1000)");
	ledger_exec(&two, "INSERT INTO entries (table_name, stage, declared_ms, withdrawn_ms)"
			  " VALUES ('public.prices', 'old', 500, 2000)");
	struct report_filter filter = filter_now();
	for (int i = 0; i < 2; i++) {
		struct report *report = report_new(&filter);
		cr_assert(report_add_ledger(report, i ? two.path : one.path, &error));
		cr_assert(report_add_ledger(report, i ? one.path : two.path, &error));
		const struct report_table *table = report_find(report, "public.prices");
		cr_assert(table->in_map);
		cr_assert_str_eq(table->stage, "live");
		cr_assert_eq(table->declared_ms, 1000);
		report_finish(report);
		report_free(report);
	}
	ledger_deinit(&one);
	ledger_deinit(&two);
}

/* ---- verdicts that others' findings change ---- */

static struct report *quiet_report(struct ledger *ledger)
{
	struct error error;
	struct report_filter filter = filter_now();
	start(ledger);
	observe(ledger, NOW - 100 * DAY, NOW, "NULL");
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
	start(&ledger);
	observe(&ledger, NOW - 100 * DAY, NOW, "NULL");
	use(&ledger, "public.prices", "new", "select", "billing", 1, 5, NOW - HOUR);
	name_column(&ledger, "new", "billing", 1, "priority", 5, NOW - HOUR);
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
	start(&ledger);
	observe(&ledger, NOW - 100 * DAY, NOW, "NULL");
	use(&ledger, "public.prices", "new", "select", "billing", 1, 5, NOW - HOUR);
	use(&ledger, "public.prices", "new", "select", "shop", 2, 5, NOW - HOUR);
	use(&ledger, "public.prices", "new", "select", "past", 3, 5, NOW - 90 * DAY);
	name_column(&ledger, "new", "billing", 1, "priority", 5, NOW - HOUR);
	name_column(&ledger, "new", "shop", 2, "*", 5, NOW - HOUR);
	name_column(&ledger, "new", "past", 3, "*", 5, NOW - 90 * DAY);
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
	start(&ledger);
	observe(&ledger, NOW - 100 * DAY, NOW, "NULL");
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

/* ---- what has changed ---- */

static struct report *window(struct ledger *ledger, int64_t since_ms, int64_t until_ms)
{
	struct report_filter filter = filter_now();
	filter.since_ms = since_ms;
	filter.until_ms = until_ms;
	filter.statements_max = SIZE_MAX;
	return report_of(ledger, &filter, NULL, 0);
}

Test(report_diff, tells_what_stopped_and_what_is_new)
{
	struct ledger ledger;
	struct report_diff diff;
	start(&ledger);
	use(&ledger, "public.prices", "old", "select", "billing", 1, 5, NOW - 2 * DAY);
	use(&ledger, "public.prices", "old", "select", "loader", 2, 7, NOW - 10 * DAY);
	use(&ledger, "public.prices", "old", "select", "fresh", 3, 9, NOW - 3 * DAY);
	ledger_exec(&ledger, "INSERT INTO hours SELECT start_s - 8 * 86400, use, 4, 0, 0, 0 FROM hours"
			     " WHERE use = (SELECT min(id) FROM uses)"); /* billing was there before */
	struct report *before = window(&ledger, NOW - 14 * DAY, NOW - 7 * DAY);
	struct report *after = window(&ledger, NOW - 7 * DAY, 0);
	report_diff_init(&diff, before, after);
	cr_assert_eq(diff.count, 4);
	cr_assert(diff.changes[0].stopped);
	cr_assert_str_eq(diff.changes[0].application, "loader");
	cr_assert_eq(diff.changes[0].counts.total, 7);
	cr_assert_not(diff.changes[1].stopped);
	cr_assert_str_eq(diff.changes[1].application, "fresh");
	cr_assert(diff.changes[2].stopped);
	cr_assert_str_eq(diff.changes[2].statement, "SELECT 2");
	cr_assert_str_eq(diff.changes[3].statement, "SELECT 3");
	report_diff_deinit(&diff);
	report_free(before);
	report_free(after);
	ledger_deinit(&ledger);
}

Test(report, unobserved_time_has_the_gaps_and_what_came_before)
{
	struct ledger ledger;
	start(&ledger);
	observe(&ledger, NOW - 10 * DAY, NOW - 8 * DAY, "NULL");
	observe(&ledger, NOW - 7 * DAY, NOW, "NULL");
	struct report_filter filter = filter_now();
	struct report *report = report_of(&ledger, &filter, NULL, 0);
	cr_assert_eq(report_unobserved_ms(report, NOW - 12 * DAY, NOW), 3 * DAY);
	cr_assert_eq(report_unobserved_ms(report, NOW - 7 * DAY - HOUR, NOW - 6 * DAY), HOUR);
	report_free(report);
	ledger_deinit(&ledger);
}

/* ---- an older ledger ---- */

Test(report, sessions_past_the_proxy_add_up_over_the_looks)
{
	struct usage_bypass two[] = { { "etl", "nightly", "10.0.0.1", "client backend", 1 },
				      { "etl", "nightly", "10.0.0.1", "client backend", 1 },
				      { "repl", "", NULL, NULL, 1 } };
	struct ledger ledger;
	struct report_filter filter = report_filter_default();
	ledger_init(&ledger);
	struct usage *usage = ledger_open(&ledger);
	usage_looked(usage, "aegis", two, 3);
	usage_looked(usage, "aegis", two, 1);
	usage_close(usage);
	struct report *report = report_of(&ledger, &filter, NULL, 0);
	cr_assert(report->bypass_known);
	cr_assert_eq(report->bypass_count, 2);
	cr_expect_str_eq(report->bypasses[0].application, "nightly");
	cr_expect_eq(report->bypasses[0].sessions, 2);
	cr_expect_eq(ledger_number(&ledger, "SELECT looks FROM bypasses WHERE user = 'etl'"), 2);
	cr_expect_eq(ledger_number(&ledger, "SELECT looks FROM bypass_looks"), 2);
	report_free(report);
	ledger_deinit(&ledger);
}

Test(report, more_looks_than_can_wait_are_dropped)
{
	struct usage_bypass one = { "etl", "nightly", "10.0.0.1", NULL, 1 };
	struct usage_sightings sightings, more;
	usage_sightings_init(&sightings);
	usage_sightings_init(&more);
	for (int64_t i = 0; i < 1000; i++)
		usage_sightings_add(i % 2 ? &sightings : &more, usage_sighting_new("aegis", &one, 1, i));
	usage_sightings_take(&sightings, &more);
	cr_expect_eq(sightings.count, 64);
	cr_expect_eq(more.count, 0);
	usage_sightings_deinit(&sightings);
}

Test(report, a_ledger_of_version_1_is_brought_up_to_date_with_its_counts)
{
	struct ledger ledger;
	start(&ledger);
	use(&ledger, "public.prices", "old", "select", "billing", 1, 5, NOW - HOUR);
	ledger_exec(&ledger,
		    "DROP VIEW usage; DROP VIEW usage_by_table; DROP VIEW usage_by_hour; DROP VIEW usage_by_column;"
		    "DROP VIEW next_stage; DROP VIEW recent_flips; DROP TABLE column_uses; DROP TABLE statement_columns;"
		    "DROP TABLE forecasts; DROP TABLE flips; DROP VIEW bypass; DROP TABLE bypasses; DROP TABLE bypass_looks;"
		    "ALTER TABLE entries DROP COLUMN deprecated;"
		    "CREATE TABLE identities_1 (id INTEGER PRIMARY KEY, database TEXT NOT NULL, user TEXT NOT NULL,"
		    " application TEXT NOT NULL, address TEXT NOT NULL, UNIQUE (database, user, application, address));"
		    "INSERT INTO identities_1 SELECT id, database, user, application, address FROM identities;"
		    "DROP TABLE identities; ALTER TABLE identities_1 RENAME TO identities;"
		    "CREATE VIEW usage AS SELECT i.user FROM uses u JOIN identities i ON i.id = u.identity;"
		    "CREATE VIEW usage_by_table AS SELECT 1; CREATE VIEW usage_by_hour AS SELECT 1;"
		    "PRAGMA user_version = 1");
	usage_close(ledger_open(&ledger));
	struct report_filter filter = filter_now();
	struct report *report = report_of(&ledger, &filter, NULL, 0);
	cr_assert_eq(report->tables[0]->sides[SIDE_OLD].counts.total, 5);
	cr_assert_str_eq(report->tables[0]->sides[SIDE_OLD].who[0]->application, "billing");
	cr_assert_str_eq(report->tables[0]->sides[SIDE_OLD].who[0]->route, "");
	cr_assert_eq(ledger_number(&ledger, "SELECT count(*) FROM usage WHERE application = 'billing'"), 1);
	report_free(report);
	ledger_deinit(&ledger);
}
