/*
 * One batch's rows. Ids of identities are kept on the identities themselves,
 * those of statements are looked up by hash; what may be wrong after a
 * rollback is read anew (store.generation). Where a bound is reached the row
 * named "(other)" takes the counts: totals stay exact.
 */
#include "usage/store_db.h"

#include "base/memory.h"
#include "usage/schema.h"
#include "usage/text.h"

enum { STATEMENT_MAX_BYTES = 4096, HOUR_S = 3600 };

/* ---- dictionaries ---- */

bool store_entry_id(struct usage_store *store, const char *table, int64_t *id_out)
{
	int64_t id;
	store_bind_text(store_sql(store, SQL_FIND_ENTRY), 1, table);
	if (!store_run_for_id(store, SQL_FIND_ENTRY, &id))
		return false;
	if (id < 0) {
		store_bind_text(store_sql(store, SQL_ADD_ENTRY), 1, table);
		if (!store_run(store, SQL_ADD_ENTRY))
			return false;
		id = sqlite3_last_insert_rowid(store->db);
	}
	*id_out = id;
	return true;
}

static void bind_identity(sqlite3_stmt *statement, const struct usage_identity *identity)
{
	for (int i = 0; i < USAGE_FIELD_COUNT; i++)
		store_bind_text(statement, i + 1, identity->fields[i]);
}

static bool identity_row(struct usage_store *store, const struct usage_identity *identity, int64_t *id_out)
{
	int64_t id;
	bind_identity(store_sql(store, SQL_FIND_IDENTITY), identity);
	if (!store_run_for_id(store, SQL_FIND_IDENTITY, &id))
		return false;
	if (id < 0 && store->identity_count >= store->settings.identities_max) {
		id = USAGE_OTHER_ID;
	} else if (id < 0) {
		bind_identity(store_sql(store, SQL_ADD_IDENTITY), identity);
		if (!store_run(store, SQL_ADD_IDENTITY))
			return false;
		id = sqlite3_last_insert_rowid(store->db);
		store->identity_count++;
	}
	*id_out = id;
	return true;
}

static bool identity_id(struct usage_store *store, struct usage_identity *identity, int64_t *id_out)
{
	if (identity->store_generation != store->generation) {
		int64_t id;
		if (!identity_row(store, identity, &id))
			return false;
		identity->store_id = id;
		identity->store_generation = store->generation;
	}
	*id_out = identity->store_id;
	return true;
}

/* -1: unknown; 0: another statement has the same hash. */
static bool find_statement(struct usage_store *store, int64_t hash, const char *text, int64_t *id_out)
{
	sqlite3_stmt *statement = store_sql(store, SQL_FIND_STATEMENT);
	sqlite3_bind_int64(statement, 1, hash);
	int result = sqlite3_step(statement);
	int64_t id = -1;
	if (result == SQLITE_ROW) {
		const char *found = (const char *)sqlite3_column_text(statement, 1);
		id = found && strcmp(found, text) == 0 ? sqlite3_column_int64(statement, 0) : USAGE_OTHER_ID;
	}
	sqlite3_reset(statement);
	if (result != SQLITE_ROW && result != SQLITE_DONE)
		return false;
	*id_out = id;
	return true;
}

bool store_statement_id(struct usage_store *store, const struct statement_shape *shape, int64_t *id_out)
{
	char text[STATEMENT_MAX_BYTES];
	int64_t id = USAGE_OTHER_ID, hash = (int64_t)shape->hash;
	if (shape->text.len) {
		usage_text_clean(shape->text, text, sizeof(text));
		if (!find_statement(store, hash, text, &id))
			return false;
	}
	if (id < 0 && store->statement_count > store->settings.shapes_max) {
		id = USAGE_OTHER_ID;
	} else if (id < 0) {
		sqlite3_bind_int64(store_sql(store, SQL_ADD_STATEMENT), 1, hash);
		store_bind_text(store_sql(store, SQL_ADD_STATEMENT), 2, text);
		if (!store_run(store, SQL_ADD_STATEMENT))
			return false;
		id = sqlite3_last_insert_rowid(store->db);
		store->statement_count++;
	}
	*id_out = id;
	return true;
}

/* ---- counts ---- */

struct use_key {
	int64_t entry, statement, identity;
	const struct use *use;
};

static void bind_use(sqlite3_stmt *statement, const struct use_key *key, const struct usage_slot *slot)
{
	sqlite3_bind_int64(statement, 1, key->entry);
	sqlite3_bind_int64(statement, 2, key->statement);
	sqlite3_bind_int64(statement, 3, key->identity);
	store_bind_text(statement, 4, side_name((enum side)key->use->side));
	store_bind_text(statement, 5, use_kind_name((enum use_kind)key->use->kind));
	sqlite3_bind_int(statement, 6, (key->use->flags & USE_REWRITTEN) != 0);
	sqlite3_bind_int(statement, 7, (key->use->flags & USE_REFUSED) != 0);
	sqlite3_bind_int(statement, 8, (key->use->flags & USE_UNPARSED) != 0);
	for (int i = 0; i < USAGE_OUTCOME_COUNT; i++)
		sqlite3_bind_int64(statement, 9 + i, (int64_t)slot->counts[i]);
	sqlite3_bind_int64(statement, 12, (int64_t)slot->rows);
	sqlite3_bind_int64(statement, 13, slot->first_ms);
	sqlite3_bind_int64(statement, 14, slot->last_ms);
}

static bool add_to_existing(struct usage_store *store, const struct use_key *key, const struct usage_slot *slot,
			    int64_t *id_out)
{
	bind_use(store_sql(store, SQL_ADD_COUNTS), key, slot);
	return store_run_for_id(store, SQL_ADD_COUNTS, id_out);
}

/* Before the row is there: is it the application's first use of the old name? */
static bool note_first_use(struct usage_store *store, const struct use_key *key, const struct usage_slot *slot)
{
	const char *application = slot->identity->fields[USAGE_APPLICATION];
	sqlite3_stmt *statement = store_sql(store, SQL_FIND_OLD_USE);
	int64_t known;
	if (key->use->side != SIDE_OLD || !first_use_is_open(&store->first_use, key->entry, application))
		return true;
	sqlite3_bind_int64(statement, 1, key->entry);
	store_bind_text(statement, 2, application);
	if (!store_run_for_id(store, SQL_FIND_OLD_USE, &known))
		return false;
	first_use_note(&store->first_use, key->entry, slot, key->use, !known);
	return true;
}

static bool add_use(struct usage_store *store, struct use_key key, const struct usage_slot *slot, int64_t *id_out)
{
	int64_t id;
	if (!add_to_existing(store, &key, slot, &id) || (id < 0 && !note_first_use(store, &key, slot)))
		return false;
	if (id < 0 && store->use_count >= store->settings.uses_max && key.statement != USAGE_OTHER_ID) {
		key.statement = USAGE_OTHER_ID;
		if (!add_to_existing(store, &key, slot, &id))
			return false;
	}
	/* Twice the bound for "other" statements; beyond, who it was is given up as well. */
	if (id < 0 && store->use_count >= 2 * store->settings.uses_max && key.identity != USAGE_OTHER_ID) {
		key.identity = USAGE_OTHER_ID;
		if (!add_to_existing(store, &key, slot, &id))
			return false;
	}
	if (id < 0) {
		bind_use(store_sql(store, SQL_ADD_USE), &key, slot);
		if (!store_run(store, SQL_ADD_USE))
			return false;
		id = sqlite3_last_insert_rowid(store->db);
		store->use_count++;
	}
	*id_out = id;
	return true;
}

static bool add_hour(struct usage_store *store, int64_t use, const struct usage_slot *slot)
{
	sqlite3_stmt *statement = store_sql(store, SQL_ADD_HOUR);
	sqlite3_bind_int64(statement, 1, slot->last_ms / 1000 / HOUR_S * HOUR_S);
	sqlite3_bind_int64(statement, 2, use);
	for (int i = 0; i < USAGE_OUTCOME_COUNT; i++)
		sqlite3_bind_int64(statement, 3 + i, (int64_t)slot->counts[i]);
	sqlite3_bind_int64(statement, 6, (int64_t)slot->rows);
	return store_run(store, SQL_ADD_HOUR);
}

static bool add_slot(struct usage_store *store, const struct usage_slot *slot)
{
	struct use_key key;
	int64_t use_row;
	if (!store_statement_id(store, slot->shape, &key.statement) || !identity_id(store, slot->identity, &key.identity))
		return false;
	for (size_t i = 0; i < slot->shape->use_count; i++) {
		const struct use *use = &slot->shape->uses[i];
		key.use = use;
		if (!store_entry_id(store, use->table ? use->table : "(unknown)", &key.entry) ||
		    !add_use(store, key, slot, &use_row) || !add_hour(store, use_row, slot))
			return false;
		const struct store_rows rows = { key.entry, key.identity, key.statement };
		if (!store_add_columns(store, &rows, use, slot))
			return false;
	}
	return true;
}

bool store_add_table(struct usage_store *store, const struct usage_table *table)
{
	for (size_t i = 0; i < table->capacity; i++) {
		if (table->slots[i].identity && !add_slot(store, &table->slots[i]))
			return false;
	}
	return true;
}
