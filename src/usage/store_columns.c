/*
 * Columns that statements name: how often by whom, and which by which
 * statement. Clients may name what does not exist, so both are bounded:
 * beyond, who it was is given up, then the name; totals stay exact.
 */
#include "usage/store_db.h"

#include "usage/schema.h"
#include "usage/text.h"

enum { COLUMN_BYTES = 256 };

struct column_key {
	int64_t entry, identity;
	const char *side, *name;
};

static void bind_column(sqlite3_stmt *statement, const struct column_key *key, const struct usage_slot *slot)
{
	uint64_t count = 0;
	for (int i = 0; i < USAGE_OUTCOME_COUNT; i++)
		count += slot->counts[i];
	sqlite3_bind_int64(statement, 1, key->entry);
	store_bind_text(statement, 2, key->side);
	store_bind_text(statement, 3, key->name);
	sqlite3_bind_int64(statement, 4, key->identity);
	sqlite3_bind_int64(statement, 5, (int64_t)count);
	sqlite3_bind_int64(statement, 6, slot->first_ms);
	sqlite3_bind_int64(statement, 7, slot->last_ms);
}

static bool add_to_existing(struct usage_store *store, const struct column_key *key, const struct usage_slot *slot,
			    bool *found_out)
{
	bind_column(store_sql(store, SQL_ADD_COLUMN_COUNT), key, slot);
	if (!store_run(store, SQL_ADD_COLUMN_COUNT))
		return false;
	*found_out = sqlite3_changes(store->db) > 0;
	return true;
}

static bool add_column(struct usage_store *store, struct column_key key, const struct usage_slot *slot)
{
	bool found;
	if (!add_to_existing(store, &key, slot, &found))
		return false;
	if (!found && store->column_count >= store->settings.uses_max && key.identity != USAGE_OTHER_ID) {
		key.identity = USAGE_OTHER_ID;
		if (!add_to_existing(store, &key, slot, &found))
			return false;
	}
	if (!found && store->column_count >= store->settings.uses_max / 4 * 5) {
		key.name = USAGE_OTHER;
		key.identity = USAGE_OTHER_ID;
		if (!add_to_existing(store, &key, slot, &found))
			return false;
	}
	if (found)
		return true;
	bind_column(store_sql(store, SQL_ADD_COLUMN), &key, slot);
	store->column_count++;
	return store_run(store, SQL_ADD_COLUMN);
}

static bool add_statement_column(struct usage_store *store, const struct store_rows *rows,
				 const struct column_key *key)
{
	sqlite3_stmt *statement = store_sql(store, SQL_ADD_STATEMENT_COLUMN);
	if (rows->statement == USAGE_OTHER_ID || store->statement_column_count >= store->settings.uses_max)
		return true;
	sqlite3_bind_int64(statement, 1, rows->statement);
	sqlite3_bind_int64(statement, 2, rows->entry);
	store_bind_text(statement, 3, key->side);
	store_bind_text(statement, 4, key->name);
	if (!store_run(store, SQL_ADD_STATEMENT_COLUMN))
		return false;
	store->statement_column_count += (size_t)sqlite3_changes(store->db);
	return true;
}

static bool add_name(struct usage_store *store, const struct store_rows *rows, const struct use *use,
		     const struct usage_slot *slot, const char *name)
{
	char clean[COLUMN_BYTES];
	usage_text_clean(slice_str(name), clean, sizeof(clean));
	struct column_key key = { rows->entry, rows->identity, side_name((enum side)use->side), clean };
	return add_column(store, key, slot) && add_statement_column(store, rows, &key);
}

bool store_add_columns(struct usage_store *store, const struct store_rows *rows, const struct use *use,
		       const struct usage_slot *slot)
{
	if (use->all_columns)
		return add_name(store, rows, use, slot, USAGE_ALL_COLUMNS);
	for (size_t i = 0; i < use->column_count; i++) {
		if (!add_name(store, rows, use, slot, use->columns[i]))
			return false;
	}
	return true;
}
