/* The file stays within its bounds and forgets detail, never totals. */
#include "support.h"

#include "base/clock.h"

#include <string.h>

#define HOUR 3600
#define DAY 86400

static int64_t now_s(void)
{
	return clock_wall_ms() / 1000;
}

/* The store does its upkeep when it starts. */
static void upkeep(struct ledger *ledger)
{
	struct usage *usage = ledger_open(ledger);
	struct usage_entry none = { "public.none", NULL, STAGE_OLD };
	usage_declare(usage, &none, 1);
	ledger_wait_until(ledger, "SELECT count(*) FROM entries WHERE table_name = 'public.none'", 1);
	usage_close(usage);
}

static void start(struct ledger *ledger)
{
	ledger_init(ledger);
	usage_close(ledger_open(ledger));
	ledger_exec(ledger, "INSERT INTO entries (id, table_name) VALUES (1, 'public.prices');"
			    "INSERT INTO identities VALUES (1, 'd', 'u', 'app', 'a', '', '', '')");
}

/* Statement `number`, used count times, last at at_s. */
static void use(struct ledger *ledger, int number, int count, int64_t at_s)
{
	char sql[1024];
	snprintf(sql, sizeof(sql),
		 "INSERT INTO statements VALUES (%d, %d, 'SELECT %d');"
		 "INSERT INTO uses VALUES (%d, 1, 'old', 'select', 1, %d, 0, 0, 0, %d, 0, 0, 0, %ld000, %ld000);"
		 "INSERT INTO hours VALUES (%ld, %d, %d, 0, 0, 0)",
		 number, number, number, number, number, count, (long)at_s, (long)at_s, (long)(at_s / HOUR * HOUR),
		 number, count);
	ledger_exec(ledger, sql);
}

Test(upkeep, hours_become_days_and_days_go_in_time)
{
	struct ledger ledger;
	start(&ledger);
	ledger.settings.hours_days = 7;
	ledger.settings.keep_days = 100;
	int64_t noon = now_s() / DAY * DAY + 12 * HOUR;
	use(&ledger, 1, 1, noon - 6 * DAY);
	use(&ledger, 2, 2, noon - 8 * DAY);
	ledger_exec(&ledger, "INSERT INTO hours SELECT start_s + 3600, use, 40, 0, 0, 0 FROM hours WHERE use = 2");
	use(&ledger, 3, 3, noon - 99 * DAY);
	use(&ledger, 4, 4, noon - 102 * DAY);
	upkeep(&ledger);
	cr_assert_eq(ledger_number(&ledger, "SELECT sum(ok_count) FROM hours"), 1);
	cr_assert_eq(ledger_number(&ledger, "SELECT ok_count FROM days WHERE use = 2"), 42);
	cr_assert_eq(ledger_number(&ledger, "SELECT start_s % 86400 FROM days WHERE use = 2"), 0);
	cr_assert_eq(ledger_number(&ledger, "SELECT count(*) FROM days WHERE use = 3"), 1);
	cr_assert_eq(ledger_number(&ledger, "SELECT count(*) FROM days WHERE use = 4"), 0);
	cr_assert_eq(ledger_number(&ledger, "SELECT sum(count) FROM usage"), 10);
	ledger_deinit(&ledger);
}

Test(upkeep, series_stays_below_its_bound_by_forgetting_the_oldest_first)
{
	struct ledger ledger;
	start(&ledger);
	ledger.settings.series_max = 50;
	int64_t noon = now_s() / DAY * DAY + 12 * HOUR;
	use(&ledger, 1, 1, noon - 3 * DAY);
	ledger_exec(&ledger, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)"
			     " INSERT INTO days SELECT (strftime('%s', 'now') / 86400 - 3 - i) * 86400, 1, 1, 0, 0, 0 FROM n");
	upkeep(&ledger);
	cr_assert_leq(ledger_number(&ledger, "SELECT (SELECT count(*) FROM days) + (SELECT count(*) FROM hours)"), 50);
	cr_assert_geq(ledger_number(&ledger, "SELECT count(*) FROM days"), 49);
	cr_assert_gt(ledger_number(&ledger, "SELECT min(start_s) FROM days"), now_s() - 60 * DAY);
	ledger_deinit(&ledger);
}

Test(upkeep, near_the_bound_stale_statements_make_room_and_totals_stay)
{
	struct ledger ledger;
	start(&ledger);
	ledger.settings.shapes_max = 10;
	for (int i = 1; i <= 10; i++)
		use(&ledger, i, i, now_s() - (i <= 8 ? 90 : 1) * DAY);
	int64_t first = ledger_number(&ledger, "SELECT min(first_ms) FROM uses");
	upkeep(&ledger);
	cr_assert_eq(ledger_number(&ledger, "SELECT count(*) FROM statements WHERE id <> 0"), 2);
	cr_assert_eq(ledger_number(&ledger, "SELECT sum(count) FROM usage"), 55);
	cr_assert_eq(ledger_number(&ledger, "SELECT count FROM usage WHERE statement = '(other)' AND application = 'app'"),
		     36);
	cr_assert_eq(ledger_number(&ledger, "SELECT sum(count) FROM usage_by_hour"), 55);
	cr_assert_eq(ledger_number(&ledger, "SELECT min(first_ms) FROM uses"), first);
	cr_assert_eq(ledger_number(&ledger, "SELECT count(*) FROM days WHERE use NOT IN (SELECT id FROM uses)"), 0);
	ledger_deinit(&ledger);
}

Test(upkeep, far_from_the_bound_nothing_is_forgotten)
{
	struct ledger ledger;
	start(&ledger);
	use(&ledger, 1, 5, now_s() - 90 * DAY);
	upkeep(&ledger);
	cr_assert_eq(ledger_number(&ledger, "SELECT count(*) FROM usage WHERE statement = 'SELECT 1'"), 1);
	ledger_deinit(&ledger);
}
