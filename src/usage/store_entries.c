/* What the ledger keeps of the map's entries: names and stages, flips, and forecasts of the next stage. */
#include "usage/store_db.h"

#include "base/buf.h"
#include "base/memory.h"
#include "usage/schema.h"
#include "usage/text.h"

static const char *const forecast_names[] = { [USAGE_FORECAST_FINE] = "fine", [USAGE_FORECAST_OPAQUE] = "opaque",
					      [USAGE_FORECAST_REFUSED] = "refused" };

const char *usage_forecast_name(enum usage_forecast forecast)
{
	return forecast_names[forecast];
}

/* ---- declarations ---- */

static char *join(const char *const *names, size_t count)
{
	struct buf text;
	buf_init(&text);
	for (size_t i = 0; i < count; i++) {
		buf_append_str(&text, i ? "\n" : "");
		buf_append_str(&text, names[i]);
	}
	char *joined = count ? memory_strdup(buf_cstr(&text)) : NULL;
	buf_deinit(&text);
	return joined;
}

struct usage_declaration *usage_declaration_new(const struct usage_entry *entries, size_t count)
{
	struct usage_declaration *declaration =
		memory_zalloc(sizeof(*declaration) + count * sizeof(declaration->items[0]));
	declaration->count = count;
	for (size_t i = 0; i < count; i++) {
		declaration->items[i].table = memory_strdup(entries[i].table);
		declaration->items[i].new_name = memory_strdup(entries[i].new_name);
		declaration->items[i].stage = entries[i].stage;
		declaration->items[i].deprecated = join(entries[i].deprecated, entries[i].deprecated_count);
	}
	return declaration;
}

void usage_declaration_free(struct usage_declaration *declaration)
{
	for (size_t i = 0; declaration && i < declaration->count; i++) {
		free(declaration->items[i].table);
		free(declaration->items[i].new_name);
		free(declaration->items[i].deprecated);
	}
	free(declaration);
}

/* A stage that is not the one of before is a flip, also one that came while nobody watched. */
static bool note_flip(struct usage_store *store, int64_t entry, enum stage stage, int64_t now_ms)
{
	sqlite3_stmt *statement = store_sql(store, SQL_ADD_FLIP);
	sqlite3_bind_int64(statement, 1, entry);
	store_bind_text(statement, 3, stage_name(stage));
	sqlite3_bind_int64(statement, 4, now_ms);
	return store_run(store, SQL_ADD_FLIP);
}

static bool declare_entry(struct usage_store *store, const struct usage_declaration *declaration, size_t item,
			  int64_t now_ms)
{
	sqlite3_stmt *statement = store_sql(store, SQL_DECLARE_ENTRY);
	int64_t id;
	if (!store_entry_id(store, declaration->items[item].table, &id) ||
	    !note_flip(store, id, declaration->items[item].stage, now_ms))
		return false;
	sqlite3_bind_int64(statement, 1, id);
	store_bind_text(statement, 2, declaration->items[item].new_name);
	store_bind_text(statement, 3, stage_name(declaration->items[item].stage));
	sqlite3_bind_int64(statement, 4, now_ms);
	store_bind_text(statement, 5, declaration->items[item].deprecated);
	return store_run(store, SQL_DECLARE_ENTRY);
}

bool store_declare(struct usage_store *store, const struct usage_declaration *declaration, int64_t now_ms)
{
	if (!store_run(store, SQL_MARK_ENTRIES))
		return false;
	for (size_t i = 0; i < declaration->count; i++) {
		if (!declare_entry(store, declaration, i, now_ms))
			return false;
	}
	sqlite3_bind_int64(store_sql(store, SQL_WITHDRAW_ENTRIES), 1, now_ms);
	return store_run(store, SQL_WITHDRAW_ENTRIES);
}

/* ---- forecasts ---- */

enum { REASON_BYTES = 512 };

static bool add_forecast(struct usage_store *store, const struct usage_foretold *foretold, int64_t now_ms)
{
	sqlite3_stmt *statement = store_sql(store, SQL_ADD_FORECAST);
	int64_t statement_row, entry;
	char reason[REASON_BYTES];
	if (!store_statement_id(store, foretold->shape, &statement_row))
		return false;
	if (statement_row == USAGE_OTHER_ID)
		return true; /* many statements share that row */
	if (!store_entry_id(store, foretold->table, &entry))
		return false;
	if (foretold->reason)
		usage_text_clean(slice_str(foretold->reason), reason, sizeof(reason));
	sqlite3_bind_int64(statement, 1, statement_row);
	sqlite3_bind_int64(statement, 2, entry);
	store_bind_text(statement, 3, stage_name(foretold->stage));
	store_bind_text(statement, 4, usage_forecast_name(foretold->forecast));
	store_bind_text(statement, 5, foretold->reason ? reason : NULL);
	sqlite3_bind_int64(statement, 6, now_ms);
	store_bind_text(statement, 7, side_name(foretold->side));
	return store_run(store, SQL_ADD_FORECAST);
}

bool store_add_foretold(struct usage_store *store, const struct list_link *foretold, int64_t now_ms)
{
	LIST_FOR_EACH(link, foretold) {
		if (!add_forecast(store, LIST_ENTRY(link, struct usage_foretold, link), now_ms))
			return false;
	}
	return true;
}
