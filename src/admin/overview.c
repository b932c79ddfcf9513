#include "admin/overview.h"

#include "base/memory.h"
#include "catalog/watcher.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How often an entry's stage has changed; kept by its key, since entries come and go. */
struct flips {
	struct flips *next;
	uint64_t count;
	char key[];
};

struct watched {
	struct flips *flips; /* of those that have flipped */
	char name[64];
	struct ruleset *ruleset;
	const struct catalog_watcher *watcher;
};

struct overview {
	pthread_mutex_t lock;
	enum overview_phase phase;
	bool passing; /* the opposite of rewriting */
	char host[OVERVIEW_HOST_BYTES];
	uint16_t port;
	size_t count;
	struct watched databases[];
};

struct overview *overview_new(size_t database_count)
{
	struct overview *overview = memory_zalloc(sizeof(*overview) + database_count * sizeof(struct watched));
	pthread_mutex_init(&overview->lock, NULL);
	overview->count = database_count;
	return overview;
}

static void free_flips(struct flips *flips)
{
	while (flips) {
		struct flips *next = flips->next;
		free(flips);
		flips = next;
	}
}

static struct flips *flips_of(const struct watched *watched, const char *key)
{
	struct flips *flips = watched->flips;
	while (flips && strcmp(flips->key, key) != 0)
		flips = flips->next;
	return flips;
}

static void count_flip(struct watched *watched, const char *key)
{
	struct flips *flips = flips_of(watched, key);
	if (!flips) {
		flips = memory_zalloc(sizeof(*flips) + strlen(key) + 1);
		strcpy(flips->key, key);
		flips->next = watched->flips;
		watched->flips = flips;
	}
	flips->count++;
}

static void count_flips(struct watched *watched, const struct ruleset *before, const struct ruleset *now)
{
	for (size_t i = 0; before && now && i < now->entry_count; i++) {
		const struct ruleset_entry *was = ruleset_entry_by_key(before, now->entries[i].key);
		if (was && was->stage != now->entries[i].stage)
			count_flip(watched, now->entries[i].key);
	}
}

static uint64_t *copy_flips(const struct watched *watched)
{
	size_t count = watched->ruleset ? watched->ruleset->entry_count : 0;
	uint64_t *copy = memory_zalloc((count + 1) * sizeof(*copy));
	for (size_t i = 0; i < count; i++) {
		const struct flips *flips = flips_of(watched, watched->ruleset->entries[i].key);
		copy[i] = flips ? flips->count : 0;
	}
	return copy;
}

void overview_free(struct overview *overview)
{
	if (!overview)
		return;
	for (size_t i = 0; i < overview->count; i++) {
		ruleset_unref(overview->databases[i].ruleset);
		free_flips(overview->databases[i].flips);
	}
	pthread_mutex_destroy(&overview->lock);
	free(overview);
}

void overview_set_phase(struct overview *overview, enum overview_phase phase)
{
	pthread_mutex_lock(&overview->lock);
	overview->phase = phase;
	pthread_mutex_unlock(&overview->lock);
}

enum overview_phase overview_phase(struct overview *overview)
{
	pthread_mutex_lock(&overview->lock);
	enum overview_phase phase = overview->phase;
	pthread_mutex_unlock(&overview->lock);
	return phase;
}

void overview_set_rewriting(struct overview *overview, bool on)
{
	pthread_mutex_lock(&overview->lock);
	overview->passing = !on;
	pthread_mutex_unlock(&overview->lock);
}

bool overview_rewriting(struct overview *overview)
{
	pthread_mutex_lock(&overview->lock);
	bool on = !overview->passing;
	pthread_mutex_unlock(&overview->lock);
	return on;
}

void overview_set_server(struct overview *overview, const char *host, uint16_t port)
{
	pthread_mutex_lock(&overview->lock);
	snprintf(overview->host, sizeof(overview->host), "%s", host);
	overview->port = port;
	pthread_mutex_unlock(&overview->lock);
}

void overview_server(struct overview *overview, char host_out[OVERVIEW_HOST_BYTES], uint16_t *port_out)
{
	pthread_mutex_lock(&overview->lock);
	memcpy(host_out, overview->host, sizeof(overview->host));
	*port_out = overview->port;
	pthread_mutex_unlock(&overview->lock);
}

void overview_set_rules(struct overview *overview, size_t index, const char *database, struct ruleset *ruleset)
{
	struct ruleset *fresh = ruleset ? ruleset_ref(ruleset) : NULL;
	pthread_mutex_lock(&overview->lock);
	struct watched *watched = &overview->databases[index];
	struct ruleset *before = watched->ruleset;
	watched->ruleset = fresh;
	count_flips(watched, before, fresh);
	snprintf(watched->name, sizeof(watched->name), "%s", database ? database : "*");
	pthread_mutex_unlock(&overview->lock);
	ruleset_unref(before);
}

void overview_set_watcher(struct overview *overview, size_t index, const struct catalog_watcher *watcher)
{
	pthread_mutex_lock(&overview->lock);
	overview->databases[index].watcher = watcher;
	pthread_mutex_unlock(&overview->lock);
}

void overview_databases(struct overview *overview, struct overview_databases *databases_out)
{
	struct overview_database *items = memory_zalloc(overview->count * sizeof(*items) + 1);
	pthread_mutex_lock(&overview->lock);
	for (size_t i = 0; i < overview->count; i++) {
		const struct watched *watched = &overview->databases[i];
		memcpy(items[i].name, watched->name, sizeof(items[i].name));
		items[i].ruleset = watched->ruleset ? ruleset_ref(watched->ruleset) : NULL;
		items[i].flips = copy_flips(watched);
		items[i].facts_age_ms = watched->watcher ? catalog_watcher_age_ms(watched->watcher) : -1;
	}
	pthread_mutex_unlock(&overview->lock);
	*databases_out = (struct overview_databases){ items, overview->count };
}

void overview_databases_deinit(struct overview_databases *databases)
{
	for (size_t i = 0; i < databases->count; i++) {
		ruleset_unref(databases->items[i].ruleset);
		free(databases->items[i].flips);
	}
	free(databases->items);
}
