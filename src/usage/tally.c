#include "usage/tally.h"

#include "base/memory.h"
#include "usage/ledger.h"

#include <stdio.h>

/* Maps and databases are few; a proxy for every database must not grow without bound all the same. */
enum { TALLY_ENTRIES_MAX = 20000, TALLY_KEY_BYTES = 512 };

struct usage_tally_entry {
	UT_hash_handle hh;
	struct usage_tally_row row;
	char *database, *table;
	char key[];
};

void usage_tally_init(struct usage_tally *tally)
{
	pthread_mutex_init(&tally->lock, NULL);
	tally->entries = NULL;
}

void usage_tally_deinit(struct usage_tally *tally)
{
	struct usage_tally_entry *entry, *next;
	HASH_ITER(hh, tally->entries, entry, next) {
		HASH_DEL(tally->entries, entry);
		free(entry->database);
		free(entry->table);
		free(entry);
	}
	pthread_mutex_destroy(&tally->lock);
}

static struct usage_tally_row *row_of(struct usage_tally *tally, const char *database, const char *table,
				      uint8_t side)
{
	char key[TALLY_KEY_BYTES];
	struct usage_tally_entry *entry;
	snprintf(key, sizeof(key), "%d\n%s\n%s", side, table, database);
	HASH_FIND_STR(tally->entries, key, entry);
	if (entry)
		return &entry->row;
	if (HASH_COUNT(tally->entries) >= TALLY_ENTRIES_MAX && strcmp(database, USAGE_OTHER) != 0)
		return row_of(tally, USAGE_OTHER, table, side);
	entry = memory_zalloc(sizeof(*entry) + strlen(key) + 1);
	strcpy(entry->key, key);
	entry->database = memory_strdup(database);
	entry->table = memory_strdup(table);
	entry->row = (struct usage_tally_row){ .database = entry->database, .table = entry->table, .side = side };
	HASH_ADD_STR(tally->entries, key, entry);
	return &entry->row;
}

static void add_use(struct usage_tally *tally, const struct usage_slot *slot, const struct use *use)
{
	struct usage_tally_row *row =
		row_of(tally, slot->identity->fields[USAGE_DATABASE], use->table, use->side);
	uint64_t let_through = slot->counts[USAGE_OK] + slot->counts[USAGE_ERROR];
	*(use->flags & USE_REWRITTEN ? &row->rewritten : &row->unchanged) += let_through;
	row->refused += slot->counts[USAGE_REFUSED];
	row->errors += slot->counts[USAGE_ERROR];
}

void usage_tally_add(struct usage_tally *tally, const struct usage_table *table)
{
	pthread_mutex_lock(&tally->lock);
	for (size_t i = 0; i < table->capacity; i++) {
		const struct usage_slot *slot = &table->slots[i];
		for (size_t k = 0; slot->identity && k < slot->shape->use_count; k++)
			add_use(tally, slot, &slot->shape->uses[k]);
	}
	pthread_mutex_unlock(&tally->lock);
}

void usage_totals(struct usage *usage, usage_total_fn *each, void *context)
{
	if (!usage)
		return;
	pthread_mutex_lock(&usage->tally.lock);
	for (struct usage_tally_entry *entry = usage->tally.entries; entry; entry = entry->hh.next)
		each(context, &entry->row);
	pthread_mutex_unlock(&usage->tally.lock);
}
