#include "support.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void ledger_init(struct ledger *ledger)
{
	strcpy(ledger->folder, "/tmp/crossfade-usage-XXXXXX");
	cr_assert_not_null(mkdtemp(ledger->folder));
	snprintf(ledger->path, sizeof(ledger->path), "%s/usage.db", ledger->folder);
	ledger->settings = usage_settings_default();
	ledger->settings.path = ledger->path;
}

void ledger_deinit(struct ledger *ledger)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
	char path[128];
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s%s", ledger->path, suffixes[i]);
		unlink(path);
	}
	rmdir(ledger->folder);
}

struct usage *ledger_open(struct ledger *ledger)
{
	struct usage *usage = NULL;
	struct error error;
	bool opened = usage_open(&ledger->settings, &usage, &error);
	cr_assert(opened, "%s", error.message);
	return usage;
}

static sqlite3 *attach(const struct ledger *ledger)
{
	sqlite3 *db;
	cr_assert_eq(sqlite3_open_v2(ledger->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	return db;
}

int64_t ledger_number(const struct ledger *ledger, const char *sql)
{
	sqlite3 *db = attach(ledger);
	sqlite3_stmt *statement;
	cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	cr_assert_eq(sqlite3_step(statement), SQLITE_ROW, "%s", sqlite3_errmsg(db));
	int64_t number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return number;
}

void ledger_exec(const struct ledger *ledger, const char *sql)
{
	sqlite3 *db = attach(ledger);
	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

void ledger_wait_until(const struct ledger *ledger, const char *sql, int64_t number)
{
	int64_t seen = -1;
	for (int i = 0; i < 3000 && seen != number; i++) {
		usleep(10000);
		seen = ledger_number(ledger, sql);
	}
	cr_assert_eq(seen, number, "%s gave %ld, not %ld", sql, (long)seen, (long)number);
}

struct statement_shape *shape_of(const char *text, const char *table, enum side side, enum use_kind kind)
{
	struct use use = { .side = (uint8_t)side, .kind = (uint8_t)kind, .table = table };
	return statement_shape_new(slice_str(text), &use, 1);
}

struct usage_who who_of(const char *application)
{
	return (struct usage_who){ .database = "aegis", .user = "app", .application = application,
				   .address = "10.0.0.7" };
}
