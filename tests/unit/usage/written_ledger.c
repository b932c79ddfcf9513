#include "written_ledger.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

void ledger_begin_empty(struct ledger *ledger)
{
	ledger_init(ledger);
	usage_close(ledger_open(ledger));
	ledger_exec(ledger, "DELETE FROM observations; DELETE FROM entries");
}

void ledger_observe(struct ledger *ledger, int64_t from_ms, int64_t until_ms, const char *stopped)
{
	char sql[512];
	snprintf(sql, sizeof(sql), "INSERT INTO observations (host, pid, version, started_ms, heartbeat_ms, stopped_ms)"
		 " VALUES ('h', 1, '0', %ld, %ld, %s)", (long)from_ms, (long)until_ms, stopped);
	ledger_exec(ledger, sql);
}

void ledger_use(struct ledger *ledger, const char *table, const char *side, const char *kind, const char *application,
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

struct report_filter filter_now(void)
{
	struct report_filter filter = report_filter_default();
	filter.now_ms = NOW;
	return filter;
}

struct report *report_of(struct ledger *ledger, const struct report_filter *filter,
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

const struct report_table *table_of(const struct report *report, const char *name)
{
	for (size_t i = 0; i < report->table_count; i++) {
		if (strcmp(report->tables[i]->name, name) == 0)
			return report->tables[i];
	}
	return NULL;
}

void ledger_name_column(struct ledger *ledger, const char *side, const char *application, int number,
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

void ledger_foretell(struct ledger *ledger, int number, const char *stage, const char *outcome, const char *reason)
{
	char sql[512];
	snprintf(sql, sizeof(sql),
		 "INSERT INTO forecasts SELECT s.id, e.id, 'old', '%s', '%s', %s, 1 FROM entries e, statements s"
		 " WHERE e.table_name = 'public.prices' AND s.hash = %d", stage, outcome, reason, number);
	ledger_exec(ledger, sql);
}

void ledger_flip(struct ledger *ledger, const char *from, const char *to, int64_t at_ms)
{
	char sql[256];
	snprintf(sql, sizeof(sql),
		 "INSERT INTO flips (entry, at_ms, from_stage, to_stage) SELECT id, %ld, '%s', '%s' FROM entries"
		 " WHERE table_name = 'public.prices'", (long)at_ms, from, to);
	ledger_exec(ledger, sql);
}
