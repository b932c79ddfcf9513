#include "usage/report_diff.h"

#include "base/buf.h"
#include "base/memory.h"
#include "usage/hash_table.h"

#include <stdlib.h>

/* A client (whatever its address and place in the code) or a statement, in both stretches. */
struct difference {
	UT_hash_handle hh;
	struct report_change change;
	struct report_counts counts[2]; /* before, after */
	size_t key_len;
	char key[];
};

static void build_key(struct buf *key, const struct report_change *change)
{
	const char *texts[] = { change->table, change->database, change->user, change->application, change->statement };
	buf_init(key);
	buf_append_byte(key, (uint8_t)change->kind);
	buf_append_byte(key, (uint8_t)change->side);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		buf_append_str(key, texts[i] ? texts[i] : "");
		buf_append_byte(key, '\0');
	}
}

static struct difference *difference_of(struct difference **all, const struct report_change *change)
{
	struct difference *found;
	struct buf key;
	build_key(&key, change);
	HASH_FIND(hh, *all, key.data, key.len, found);
	if (!found) {
		found = memory_zalloc(sizeof(*found) + key.len);
		found->change = *change;
		found->key_len = key.len;
		memcpy(found->key, key.data, key.len);
		HASH_ADD_KEYPTR(hh, *all, found->key, found->key_len, found);
	}
	buf_deinit(&key);
	return found;
}

static void add(struct report_counts *sum, const struct report_counts *more)
{
	sum->total += more->total;
	sum->ok += more->ok;
	sum->errors += more->errors;
	sum->refused += more->refused;
	sum->rows += more->rows;
	if (!sum->first_ms || more->first_ms < sum->first_ms)
		sum->first_ms = more->first_ms;
	if (more->last_ms > sum->last_ms)
		sum->last_ms = more->last_ms;
}

static void add_side(struct difference **all, const struct report_table *table, enum side side, int stretch)
{
	const struct report_side *uses = &table->sides[side];
	struct report_change change = { .table = table->name, .side = side };
	for (size_t i = 0; i < uses->who_count; i++) {
		const struct report_who *who = uses->who[i];
		change.kind = REPORT_CHANGE_CLIENT;
		change.database = who->database;
		change.user = who->user;
		change.application = who->application;
		add(&difference_of(all, &change)->counts[stretch], &who->counts);
	}
	change.kind = REPORT_CHANGE_STATEMENT;
	change.database = change.user = change.application = NULL;
	for (size_t i = 0; i < uses->statement_count; i++) {
		change.statement = uses->statements[i]->text;
		add(&difference_of(all, &change)->counts[stretch], &uses->statements[i]->counts);
	}
}

static void add_report(struct difference **all, const struct report *report, int stretch)
{
	for (size_t i = 0; i < report->table_count; i++) {
		add_side(all, report->tables[i], SIDE_OLD, stretch);
		add_side(all, report->tables[i], SIDE_NEW, stretch);
	}
}

static int by_place(const void *a, const void *b)
{
	const struct report_change *x = a, *y = b;
	int order = strcmp(x->table, y->table);
	if (order || x->side != y->side)
		return order ? order : (int)x->side - (int)y->side;
	if (x->kind != y->kind || x->stopped != y->stopped)
		return x->kind != y->kind ? (int)x->kind - (int)y->kind : (int)y->stopped - (int)x->stopped;
	if (x->counts.total != y->counts.total)
		return x->counts.total > y->counts.total ? -1 : 1;
	return strcmp(x->statement ? x->statement : x->application, y->statement ? y->statement : y->application);
}

void report_diff_init(struct report_diff *diff, const struct report *before, const struct report *after)
{
	struct difference *all = NULL, *one, *next;
	add_report(&all, before, 0);
	add_report(&all, after, 1);
	diff->count = 0;
	diff->changes = memory_zalloc((HASH_COUNT(all) + 1) * sizeof(*diff->changes));
	HASH_ITER(hh, all, one, next) {
		bool stopped = one->counts[0].total && !one->counts[1].total;
		if (stopped || (one->counts[1].total && !one->counts[0].total)) {
			one->change.stopped = stopped;
			one->change.counts = one->counts[stopped ? 0 : 1];
			diff->changes[diff->count++] = one->change;
		}
		HASH_DEL(all, one);
		free(one);
	}
	qsort(diff->changes, diff->count, sizeof(*diff->changes), by_place);
}

void report_diff_deinit(struct report_diff *diff)
{
	free(diff->changes);
}
