#include "usage/first_use.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

enum { KNOWN_MAX = 20000, LINES_MAX = 1000, KEY_BYTES = USAGE_FIELD_MAX_BYTES + 24, STATEMENT_BYTES = 200,
       LOGGED_LINES = 30, LOGGED_SPAN_US = 60000000 };

struct first_use_known {
	UT_hash_handle hh;
	char key[];
};

struct first_use_line {
	struct first_use_line *next;
	struct usage_identity *identity;
	struct statement_shape *shape;
	const struct use *use; /* of the shape */
	int64_t entry;
};

void first_use_init(struct first_use *first)
{
	*first = (struct first_use){ .limit = { .lines = LOGGED_LINES, .span_us = LOGGED_SPAN_US } };
	first->last = &first->lines;
}

static void forget_known(struct first_use *first)
{
	struct first_use_known *known, *next;
	HASH_ITER(hh, first->known, known, next) {
		HASH_DEL(first->known, known);
		free(known);
	}
}

void first_use_deinit(struct first_use *first)
{
	first_use_settle(first, false);
	forget_known(first);
}

static void build_key(int64_t entry, const char *application, char key_out[KEY_BYTES])
{
	snprintf(key_out, KEY_BYTES, "%lld %s", (long long)entry, application);
}

bool first_use_is_open(struct first_use *first, int64_t entry, const char *application)
{
	char key[KEY_BYTES];
	struct first_use_known *known;
	build_key(entry, application, key);
	HASH_FIND_STR(first->known, key, known);
	return !known;
}

static void remember(struct first_use *first, int64_t entry, const char *application)
{
	char key[KEY_BYTES];
	build_key(entry, application, key);
	if (HASH_COUNT(first->known) >= KNOWN_MAX)
		forget_known(first); /* the ledger still knows */
	struct first_use_known *known = memory_zalloc(sizeof(*known) + strlen(key) + 1);
	strcpy(known->key, key);
	HASH_ADD_STR(first->known, key, known);
}

void first_use_note(struct first_use *first, int64_t entry, const struct usage_slot *slot, const struct use *use,
		    bool is_new)
{
	const char *application = slot->identity->fields[USAGE_APPLICATION];
	if (!first_use_is_open(first, entry, application))
		return;
	remember(first, entry, application);
	if (!is_new || first->line_count == LINES_MAX)
		return;
	struct first_use_line *line = memory_zalloc(sizeof(*line));
	line->identity = usage_identity_ref(slot->identity);
	line->shape = statement_shape_ref(slot->shape);
	line->use = use;
	line->entry = entry;
	*first->last = line;
	first->last = &line->next;
	first->line_count++;
}

static void log_line(struct first_use *first, const struct first_use_line *line)
{
	const char *const *who = line->identity->fields;
	struct slice statement = line->shape->text;
	uint64_t suppressed;
	if (!log_limit_pass(&first->limit, clock_monotonic_us(), &suppressed))
		return;
	if (statement.len > STATEMENT_BYTES)
		statement.len = STATEMENT_BYTES;
	LOG(LOG_INFO, "old_name_first_used", LOG_STR("table", line->use->table), LOG_STR("application", who[USAGE_APPLICATION]),
	    LOG_STR("user", who[USAGE_USER]), LOG_STR("database", who[USAGE_DATABASE]),
	    LOG_STR("client", who[USAGE_ADDRESS]), LOG_SLICE("statement", statement), LOG_UINT("suppressed", suppressed));
}

static void forget_line(struct first_use *first, const struct first_use_line *line)
{
	char key[KEY_BYTES];
	struct first_use_known *known;
	build_key(line->entry, line->identity->fields[USAGE_APPLICATION], key);
	HASH_FIND_STR(first->known, key, known);
	if (known) {
		HASH_DEL(first->known, known);
		free(known);
	}
}

void first_use_settle(struct first_use *first, bool written)
{
	while (first->lines) {
		struct first_use_line *line = first->lines;
		first->lines = line->next;
		if (written)
			log_line(first, line);
		else
			forget_line(first, line);
		usage_identity_unref(line->identity);
		statement_shape_unref(line->shape);
		free(line);
	}
	first->last = &first->lines;
	first->line_count = 0;
}
