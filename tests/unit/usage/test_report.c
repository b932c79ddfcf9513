/* A report says what the ledger's rows add up to, and no more than they allow. */
#include "usage/sightings.h"
#include "usage/report_diff.h"

#include "written_ledger.h"

#include <string.h>
#include <unistd.h>

Test(report, adds_up_by_table_side_kind_who_and_statement)
{
	struct ledger ledger;
	ledger_begin_empty(&ledger);
	ledger_use(&ledger, "public.prices", "old", "select", "billing", 1, 5, NOW - HOUR);
	ledger_use(&ledger, "public.prices", "old", "select", "billing", 2, 7, NOW - DAY);
	ledger_use(&ledger, "public.prices", "old", "insert", "loader", 3, 2, NOW - MINUTE);
	ledger_use(&ledger, "public.prices", "new", "select", "billing", 4, 1, NOW);
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
	ledger_begin_empty(&one);
	ledger_begin_empty(&two);
	ledger_use(&one, "public.prices", "old", "select", "billing", 1, 5, NOW - HOUR);
	ledger_use(&two, "public.prices", "old", "select", "billing", 1, 6, NOW - DAY);
	ledger_use(&two, "public.stocks", "old", "select", "billing", 1, 1, NOW - DAY);
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
	ledger_begin_empty(&ledger);
	ledger_use(&ledger, "public.prices", "old", "select", "billing", 1, 5, NOW - HOUR);
	ledger_use(&ledger, "public.prices", "old", "select", "billing", 2, 7, NOW - 3 * DAY);
	ledger_use(&ledger, "public.stocks", "old", "select", "loader", 3, 9, NOW - 5 * DAY);
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
	ledger_begin_empty(&ledger);
	ledger_use(&ledger, "public.prices", "old", "select", "billing", 1, 5, NOW - HOUR);
	ledger_use(&ledger, "public.prices", "old", "select", "loader", 1, 6, NOW - HOUR);
	ledger_use(&ledger, "public.stocks", "old", "select", "billing", 1, 7, NOW - HOUR);
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

Test(report, what_others_observed_does_not_fill_the_time_in_which_one_was_blind)
{
	struct ledger ledger;
	ledger_begin_empty(&ledger);
	ledger_observe(&ledger, NOW - 10 * DAY, NOW, "NULL");
	ledger_exec(&ledger, "UPDATE observations SET pid = 7");
	ledger_observe(&ledger, NOW - 10 * DAY, NOW - 8 * DAY, "0");
	ledger_exec(&ledger, "UPDATE observations SET stopped_ms = heartbeat_ms WHERE id = 2");
	struct report_filter filter = filter_now();
	struct report *report = report_of(&ledger, &filter, NULL, 0);
	cr_assert_eq(report->gap_count, 0, "one that stopped for good serves nobody");
	report_free(report);
	ledger_observe(&ledger, NOW - 7 * DAY, NOW, "NULL");
	report = report_of(&ledger, &filter, NULL, 0);
	cr_assert_eq(report->gap_count, 1);
	cr_assert_eq(report->gaps[0].from_ms, NOW - 8 * DAY);
	cr_assert_eq(report->gaps[0].until_ms, NOW - 7 * DAY);
	cr_assert_eq(report->observed_ms, 9 * DAY);
	report_free(report);
	ledger_deinit(&ledger);
}

Test(report, names_entries_that_nobody_ever_used)
{
	struct ledger ledger;
	const struct usage_entry entries[] = { { "public.prices", "data.prices", STAGE_OLD },
					       { "brain.log", NULL, STAGE_COMPLETE } };
	ledger_begin_empty(&ledger);
	ledger_use(&ledger, "public.prices", "old", "select", "billing", 1, 5, NOW - HOUR);
	ledger_use(&ledger, "public.gone", "old", "select", "billing", 1, 5, NOW - HOUR);
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
	ledger_begin_empty(&ledger);
	ledger_observe(&ledger, NOW - 10 * DAY, NOW - 8 * DAY, "NULL");
	ledger_observe(&ledger, NOW - 7 * DAY, NOW - 5 * DAY, "0");
	ledger_exec(&ledger, "UPDATE observations SET stopped_ms = heartbeat_ms WHERE id = 2");
	ledger_observe(&ledger, NOW - 5 * DAY, NOW - 1000, "NULL");
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

/* ---- columns, forecasts, flips ---- */

static const struct usage_entry prices_live = { "public.prices", "data.prices", STAGE_LIVE };

Test(report, columns_are_counted_and_the_deprecated_come_first)
{
	static const char *const deprecated[] = { "priority", "unused" };
	struct usage_entry entry = prices_live;
	struct ledger ledger;
	ledger_begin_empty(&ledger);
	ledger_use(&ledger, "public.prices", "old", "select", "billing", 1, 5, NOW - HOUR);
	ledger_use(&ledger, "public.prices", "old", "select", "loader", 1, 5, NOW - HOUR);
	ledger_name_column(&ledger, "old", "billing", 1, "close", 5, NOW - HOUR);
	ledger_name_column(&ledger, "old", "billing", 1, "priority", 5, NOW - 50 * DAY);
	ledger_name_column(&ledger, "old", "loader", 1, "priority", 6, NOW - HOUR);
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
	ledger_begin_empty(&ledger);
	for (int i = 1; i <= 4; i++)
		ledger_use(&ledger, "public.prices", "old", "select", "billing", i, 10 - i, NOW - HOUR);
	ledger_foretell(&ledger, 1, "complete", "refused", "'would be gone'");
	ledger_foretell(&ledger, 2, "complete", "fine", "NULL");
	ledger_foretell(&ledger, 3, "live", "refused", "NULL"); /* of when it was old */
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

Test(report, forecasts_from_before_a_table_went_back_do_not_count)
{
	struct ledger ledger;
	struct usage_entry prices_old = { "public.prices", "data.prices", STAGE_OLD };
	ledger_begin_empty(&ledger);
	ledger_use(&ledger, "public.prices", "old", "select", "billing", 1, 5, NOW - HOUR);
	ledger_use(&ledger, "public.prices", "old", "select", "billing", 2, 4, NOW - HOUR);
	ledger_foretell(&ledger, 1, "live", "refused", "NULL"); /* of when it was at shadow, as it turns out */
	ledger_foretell(&ledger, 2, "complete", "refused", "NULL"); /* that is not the stage after old */
	ledger_flip(&ledger, "old", "shadow", NOW - 3 * HOUR);
	struct report_filter filter = filter_now();
	struct report *report = report_of(&ledger, &filter, &prices_old, 1);
	cr_assert_eq(table_of(report, "public.prices")->forecast.refused, 1, "it never went back");
	cr_assert_str_eq(table_of(report, "public.prices")->forecast.stage, "live");
	report_free(report);
	ledger_flip(&ledger, "shadow", "old", NOW - 2 * HOUR);
	report = report_of(&ledger, &filter, &prices_old, 1);
	const struct report_table *table = table_of(report, "public.prices");
	cr_assert_null(table->forecast.stage);
	cr_assert_eq(table->forecast.refused, 0);
	cr_assert_eq(table->forecast.unknown, 2);
	cr_assert_null(table->sides[SIDE_OLD].statements[0]->forecast);
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
	ledger_begin_empty(&one);
	ledger_begin_empty(&two);
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
	ledger_begin_empty(&one);
	ledger_begin_empty(&two);
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
	ledger_begin_empty(&ledger);
	ledger_use(&ledger, "public.prices", "old", "select", "billing", 1, 5, NOW - 2 * DAY);
	ledger_use(&ledger, "public.prices", "old", "select", "loader", 2, 7, NOW - 10 * DAY);
	ledger_use(&ledger, "public.prices", "old", "select", "fresh", 3, 9, NOW - 3 * DAY);
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
	ledger_begin_empty(&ledger);
	ledger_observe(&ledger, NOW - 10 * DAY, NOW - 8 * DAY, "NULL");
	ledger_observe(&ledger, NOW - 7 * DAY, NOW, "NULL");
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
	ledger_begin_empty(&ledger);
	ledger_use(&ledger, "public.prices", "old", "select", "billing", 1, 5, NOW - HOUR);
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
