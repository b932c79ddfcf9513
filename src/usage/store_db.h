/*
 * Inside the store: the handle, its prepared statements, and the files
 * that work with them (store.c: the file and transactions; store_rows.c: one
 * batch's counts; store_columns.c: its columns; store_entries.c: the map's entries and
 * forecasts; store_bypass.c: sessions past the proxy; store_upkeep.c: bounds; store_sql.c: every SQL
 * text).
 */
#ifndef CROSSFADE_USAGE_STORE_DB_H
#define CROSSFADE_USAGE_STORE_DB_H

#include "usage/first_use.h"
#include "usage/store.h"

#include <sqlite3.h>
#include <sys/types.h>

enum sql_id {
	SQL_BEGIN, SQL_COMMIT, SQL_ROLLBACK,
	SQL_FIND_ENTRY, SQL_ADD_ENTRY, SQL_MARK_ENTRIES, SQL_ADD_FLIP, SQL_DECLARE_ENTRY, SQL_WITHDRAW_ENTRIES,
	SQL_FIND_IDENTITY, SQL_ADD_IDENTITY,
	SQL_FIND_STATEMENT, SQL_ADD_STATEMENT,
	SQL_ADD_COUNTS, SQL_FIND_OLD_USE, SQL_ADD_USE, SQL_ADD_HOUR, SQL_ADD_FORECAST, SQL_ADD_LOOK, SQL_ADD_BYPASS,
	SQL_ADD_COLUMN_COUNT, SQL_ADD_COLUMN, SQL_ADD_STATEMENT_COLUMN,
	SQL_COUNT_ROWS, SQL_BEGIN_OBSERVATION, SQL_FIND_OBSERVATION, SQL_UNENDED_OBSERVATIONS, SQL_BREAK_OFF, SQL_HEARTBEAT, SQL_STOP,
	SQL_ROLL_UP, SQL_DROP_ROLLED_UP, SQL_DROP_DAYS, SQL_DROP_OLDEST_DAY, SQL_SERIES_ROWS, SQL_TRIM_OBSERVATIONS,
	SQL_FORGET_USES, SQL_FORGET_HOURS, SQL_DROP_FORGOTTEN_HOURS, SQL_FORGET_DAYS, SQL_DROP_FORGOTTEN_DAYS,
	SQL_DROP_FORGOTTEN_USES, SQL_DROP_UNUSED_STATEMENTS, SQL_DROP_UNUSED_IDENTITIES,
	SQL_DROP_UNUSED_FORECASTS, SQL_DROP_UNUSED_STATEMENT_COLUMNS, SQL_FORGET_COLUMNS, SQL_DROP_FORGOTTEN_COLUMNS,
	SQL_TRIM_FLIPS, SQL_TRIM_BYPASSES,
	SQL_COUNT
};

struct usage_store {
	sqlite3 *db;
	sqlite3_stmt *statements[SQL_COUNT];
	struct usage_settings settings;
	char *path;
	struct usage_observation *observation; /* the caller's */
	bool broken;
	struct first_use first_use;
	uint64_t generation; /* grows when ids kept elsewhere may be wrong; never the same in two stores */
	size_t identity_count, statement_count, use_count, column_count, statement_column_count;
	dev_t device;
	ino_t inode;
};

static inline sqlite3_stmt *store_sql(struct usage_store *store, enum sql_id id)
{
	return store->statements[id];
}

bool store_prepare(struct usage_store *store);
void store_finalize(struct usage_store *store);
/* Runs a statement that gives no row. */
bool store_run(struct usage_store *store, enum sql_id id);
/* Runs one that gives at most one row; id_out is its first column, -1 when there is none. */
bool store_run_for_id(struct usage_store *store, enum sql_id id, int64_t *id_out);
void store_bind_text(sqlite3_stmt *statement, int index, const char *text);
/* Never the same twice in this process. */
uint64_t store_next_generation(void);

bool store_begin(struct usage_store *store);
/* Ends a failed transaction: ids kept elsewhere are no longer trusted. */
void store_undo(struct usage_store *store);
bool store_recount(struct usage_store *store);

bool store_add_table(struct usage_store *store, const struct usage_table *table);
/* What the use says of columns; the rows' ids are of its entry, identity and statement. */
struct store_rows {
	int64_t entry, identity, statement;
};
bool store_add_columns(struct usage_store *store, const struct store_rows *rows, const struct use *use,
		       const struct usage_slot *slot);
struct usage_sightings;
bool store_add_sightings(struct usage_store *store, const struct usage_sightings *sightings);
bool store_add_foretold(struct usage_store *store, const struct list_link *foretold, int64_t now_ms);
/* Dictionaries: the row of an entry, and of a shape's statement (USAGE_OTHER_ID: no room). */
bool store_entry_id(struct usage_store *store, const char *table, int64_t *id_out);
bool store_statement_id(struct usage_store *store, const struct statement_shape *shape, int64_t *id_out);
bool store_declare(struct usage_store *store, const struct usage_declaration *declaration, int64_t now_ms);

#endif
