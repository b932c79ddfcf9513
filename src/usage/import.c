#include "usage/import.h"

#include "base/clock.h"
#include "base/memory.h"
#include "usage/store_db.h"

enum { TABLE_MAX_BYTES = 16 << 20, HOUR_MS = 3600000 };

struct usage_import {
	struct usage_store *store;
	struct usage_observation observation;
	struct usage_table *table;
	struct usage_identities identities;
	uint64_t epoch;
	int64_t hour; /* of what is in the table: the series has one row for each hour */
	bool failed;
	struct error error; /* the first */
};

bool usage_import_open(const char *path, struct usage_import **import_out, struct error *error_out)
{
	struct usage_settings settings = usage_settings_default();
	struct usage_import *import = memory_zalloc(sizeof(*import));
	settings.path = path;
	settings.hours_days = 3650;
	settings.keep_days = 3650;
	if (!usage_store_open(&settings, &import->observation, &import->store, error_out)) {
		free(import);
		return false;
	}
	import->table = usage_table_new(++import->epoch);
	*import_out = import;
	return true;
}

static void write_table(struct usage_import *import)
{
	struct usage_batch batch = { .tables = &import->table, .count = 1 };
	struct error error;
	if (import->table->used && !import->failed && !usage_store_write(import->store, &batch, &error)) {
		import->failed = true;
		import->error = error;
	}
	usage_table_reset(import->table, ++import->epoch);
	usage_identities_sweep(&import->identities);
}

static struct usage_slot *slot_of(struct usage_import *import, struct usage_identity *identity, struct statement_shape *shape)
{
	struct usage_slot *slot = usage_table_find(import->table, identity, shape);
	return slot ? slot : usage_table_add(import->table, identity, shape, TABLE_MAX_BYTES);
}

void usage_import_count(struct usage_import *import, const struct usage_who *who, struct statement_shape *shape,
			enum usage_outcome outcome, uint64_t count, uint64_t rows, int64_t time_ms)
{
	if (!shape || !shape->use_count || !count)
		return;
	if (!time_ms)
		time_ms = clock_wall_ms();
	if (time_ms / HOUR_MS != import->hour)
		write_table(import);
	import->hour = time_ms / HOUR_MS;
	struct usage_identity *identity = usage_identities_take(&import->identities, who, SIZE_MAX);
	struct usage_slot *slot = slot_of(import, identity, shape);
	if (!slot) {
		write_table(import);
		slot = usage_table_add(import->table, identity, shape, SIZE_MAX);
	}
	slot->counts[outcome] += count;
	slot->rows += rows;
	if (!slot->first_ms || time_ms < slot->first_ms)
		slot->first_ms = time_ms;
	if (time_ms > slot->last_ms)
		slot->last_ms = time_ms;
	import->table->statements += count;
	usage_identities_release(&import->identities, identity);
}

/* Instead of the moment in which the import ran. */
static void set_observation(struct usage_import *import, int64_t from_ms, int64_t until_ms)
{
	char *sql = from_ms ? sqlite3_mprintf("UPDATE observations SET host = '(log)', started_ms = %lld, heartbeat_ms = %lld,"
					      " stopped_ms = %lld WHERE id = %lld",
					      (long long)from_ms, (long long)until_ms, (long long)until_ms,
					      (long long)import->observation.id)
			    : sqlite3_mprintf("DELETE FROM observations WHERE id = %lld", (long long)import->observation.id);
	if (sql && sqlite3_exec(import->store->db, sql, NULL, NULL, NULL) != SQLITE_OK && !import->failed) {
		import->failed = true;
		error_set(&import->error, SQLSTATE_INTERNAL_ERROR, "cannot write what was found: %s",
			  sqlite3_errmsg(import->store->db));
	}
	sqlite3_free(sql);
}

bool usage_import_close(struct usage_import *import, int64_t from_ms, int64_t until_ms, struct error *error_out)
{
	write_table(import);
	set_observation(import, from_ms, until_ms);
	bool ok = !import->failed;
	if (!ok)
		*error_out = import->error;
	usage_store_abandon(import->store);
	usage_table_free(import->table);
	usage_identities_deinit(&import->identities);
	free(import);
	return ok;
}
