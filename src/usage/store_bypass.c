/* Sessions past the proxy: one row for each sort of session, however often it was seen. */
#include "usage/store_db.h"

#include "usage/sightings.h"
#include "usage/text.h"

enum { TEXT_BYTES = 256 };

static bool add_item(struct usage_store *store, const struct usage_sighting *sighting, const struct usage_bypass *item)
{
	sqlite3_stmt *statement = store_sql(store, SQL_ADD_BYPASS);
	const char *texts[] = { sighting->database, item->user, item->application, item->address, item->kind };
	char clean[5][TEXT_BYTES];
	for (int i = 0; i < 5; i++) {
		usage_text_clean(slice_str(texts[i] ? texts[i] : ""), clean[i], TEXT_BYTES);
		store_bind_text(statement, i + 1, clean[i]);
	}
	sqlite3_bind_int64(statement, 6, item->sessions);
	sqlite3_bind_int64(statement, 7, sighting->at_ms);
	return store_run(store, SQL_ADD_BYPASS);
}

static bool add_sighting(struct usage_store *store, const struct usage_sighting *sighting)
{
	sqlite3_stmt *statement = store_sql(store, SQL_ADD_LOOK);
	char database[TEXT_BYTES];
	usage_text_clean(slice_str(sighting->database ? sighting->database : ""), database, sizeof(database));
	store_bind_text(statement, 1, database);
	sqlite3_bind_int64(statement, 2, sighting->at_ms);
	if (!store_run(store, SQL_ADD_LOOK))
		return false;
	for (size_t i = 0; i < sighting->count; i++) {
		if (!add_item(store, sighting, &sighting->items[i]))
			return false;
	}
	return true;
}

bool store_add_sightings(struct usage_store *store, const struct usage_sightings *sightings)
{
	LIST_FOR_EACH(link, &sightings->list) {
		if (!add_sighting(store, LIST_ENTRY(link, struct usage_sighting, link)))
			return false;
	}
	return true;
}
