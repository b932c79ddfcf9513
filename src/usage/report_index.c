/* Adding rows up. Everything lives in the report's arena; only uthash's buckets do not. */
#include "usage/report_index.h"

#include "base/buf.h"
#include "base/memory.h"

enum key_kind { KEY_TABLE, KEY_WHO, KEY_STATEMENT, KEY_OLD_APPLICATION };

struct report_key {
	UT_hash_handle hh;
	enum key_kind kind;
	struct report_table *table;
	enum side side;
	union {
		struct report_who *who;
		struct report_statement *statement;
		struct { int64_t last_ms; bool got_through; } old;
	};
};

struct report_index *report_index_new(void)
{
	return memory_zalloc(sizeof(struct report_index));
}

void report_index_free(struct report_index *index)
{
	if (!index)
		return;
	HASH_CLEAR(hh, index->keys);
	free(index);
}

/* The key made of the texts, each with its NUL; made when there is none (*made_out). */
static struct report_key *key_of(struct report *report, enum key_kind kind, enum side side,
				 const char *const *texts, size_t count, bool *made_out)
{
	struct report_key *key;
	struct buf text;
	buf_init(&text);
	buf_append_byte(&text, (uint8_t)kind);
	buf_append_byte(&text, (uint8_t)side);
	for (size_t i = 0; i < count; i++)
		buf_append(&text, texts[i], strlen(texts[i]) + 1);
	HASH_FIND(hh, report->index->keys, text.data, text.len, key);
	*made_out = !key;
	if (!key) {
		char *copy = arena_copy(&report->arena, text.data, text.len);
		key = ARENA_NEW(&report->arena, struct report_key);
		key->kind = kind;
		key->side = side;
		HASH_ADD_KEYPTR(hh, report->index->keys, copy, text.len, key);
	}
	buf_deinit(&text);
	return key;
}

struct report_table *report_table_of(struct report *report, const char *name)
{
	bool made;
	struct report_key *key = key_of(report, KEY_TABLE, SIDE_OLD, &name, 1, &made);
	if (made) {
		key->table = ARENA_NEW(&report->arena, struct report_table);
		key->table->name = arena_strdup(&report->arena, name);
		if (report->table_count == report->table_capacity) {
			size_t capacity = report->table_capacity ? report->table_capacity * 2 : 64;
			report->tables = memory_realloc(report->tables, capacity * sizeof(struct report_table *));
			report->table_capacity = capacity;
		}
		report->tables[report->table_count++] = key->table;
	}
	return key->table;
}

static void add_counts(struct report_counts *sum, const struct report_counts *more)
{
	sum->total += more->total;
	sum->ok += more->ok;
	sum->errors += more->errors;
	sum->refused += more->refused;
	sum->rows += more->rows;
	sum->rewritten += more->rewritten;
	sum->unparsed += more->unparsed;
	if (!sum->first_ms || (more->first_ms && more->first_ms < sum->first_ms))
		sum->first_ms = more->first_ms;
	if (more->last_ms > sum->last_ms)
		sum->last_ms = more->last_ms;
}

static enum use_kind kind_of(const char *name)
{
	int kind = 0;
	while (kind < USE_KIND_COUNT && strcmp(use_kind_name((enum use_kind)kind), name) != 0)
		kind++;
	return (enum use_kind)kind;
}

static struct report_who *who_of(struct report *report, struct report_table *table, enum side side,
				 const struct report_row *row)
{
	bool made;
	const char *texts[] = { table->name, row->database, row->user, row->application, row->address };
	struct report_key *key = key_of(report, KEY_WHO, side, texts, 5, &made);
	if (made) {
		key->table = table;
		key->who = ARENA_NEW(&report->arena, struct report_who);
		key->who->database = arena_strdup(&report->arena, row->database);
		key->who->user = arena_strdup(&report->arena, row->user);
		key->who->application = arena_strdup(&report->arena, row->application);
		key->who->address = arena_strdup(&report->arena, row->address);
		table->sides[side].who_count++;
	}
	return key->who;
}

static struct report_statement *statement_of(struct report *report, struct report_table *table, enum side side,
					     const struct report_row *row)
{
	bool made;
	const char *texts[] = { table->name, row->kind, row->statement };
	struct report_key *key = key_of(report, KEY_STATEMENT, side, texts, 3, &made);
	if (made) {
		key->table = table;
		key->statement = ARENA_NEW(&report->arena, struct report_statement);
		key->statement->text = arena_strdup(&report->arena, row->statement);
		key->statement->hash = row->hash;
		key->statement->kind = kind_of(row->kind);
		table->sides[side].statement_count++;
	}
	return key->statement;
}

void report_add_row(struct report *report, const struct report_row *row)
{
	struct report_table *table = report_table_of(report, row->table);
	enum side side = strcmp(row->side, side_name(SIDE_NEW)) == 0 ? SIDE_NEW : SIDE_OLD;
	struct report_side *totals = &table->sides[side];
	add_counts(&totals->counts, &row->counts);
	totals->kinds[kind_of(row->kind)] += row->counts.total;
	add_counts(&who_of(report, table, side, row)->counts, &row->counts);
	add_counts(&statement_of(report, table, side, row)->counts, &row->counts);
}

static int64_t idle_since_ms(const struct report *report)
{
	return report->filter.now_ms - (int64_t)report->filter.idle_days * 86400000;
}

void report_add_old_use(struct report *report, const struct report_row *row)
{
	bool made;
	struct report_table *table = report_table_of(report, row->table);
	const char *texts[] = { table->name, row->application };
	struct report_key *key = key_of(report, KEY_OLD_APPLICATION, SIDE_OLD, texts, 2, &made);
	key->table = table;
	if (row->counts.last_ms > key->old.last_ms)
		key->old.last_ms = row->counts.last_ms;
	if (row->counts.last_ms >= idle_since_ms(report) && (row->counts.ok || row->counts.errors))
		key->old.got_through = true;
	if (row->counts.last_ms > table->old_last_ms) {
		table->old_last_ms = row->counts.last_ms;
		table->old_last_application = arena_strdup(&report->arena, row->application);
		table->old_last_user = arena_strdup(&report->arena, row->user);
	}
}

static bool busier(const struct report_counts *a, const struct report_counts *b)
{
	return a->total != b->total ? a->total > b->total : a->last_ms > b->last_ms;
}

static int by_statement(const void *a, const void *b)
{
	const struct report_statement *x = *(struct report_statement *const *)a;
	const struct report_statement *y = *(struct report_statement *const *)b;
	return busier(&x->counts, &y->counts) ? -1 : busier(&y->counts, &x->counts) ? 1 : strcmp(x->text, y->text);
}

static int by_who(const void *a, const void *b)
{
	const struct report_who *x = *(struct report_who *const *)a, *y = *(struct report_who *const *)b;
	return busier(&x->counts, &y->counts) ? -1 :
	       busier(&y->counts, &x->counts) ? 1 : strcmp(x->application, y->application);
}

static void make_room(struct report *report)
{
	for (size_t i = 0; i < report->table_count * 2; i++) {
		struct report_side *side = &report->tables[i / 2]->sides[i % 2];
		side->who = ARENA_ARRAY(&report->arena, side->who_count, struct report_who *);
		side->statements = ARENA_ARRAY(&report->arena, side->statement_count, struct report_statement *);
		side->who_count = side->statement_count = 0;
	}
}

static void note_old_application(struct report *report, const struct report_key *key)
{
	if (key->old.last_ms < idle_since_ms(report))
		return;
	if (!key->table->old_applications++)
		key->table->old_only_refused = true;
	if (key->old.got_through)
		key->table->old_only_refused = false;
}

void report_index_collect(struct report *report)
{
	struct report_key *key, *next;
	make_room(report);
	HASH_ITER(hh, report->index->keys, key, next) {
		struct report_side *side = key->table ? &key->table->sides[key->side] : NULL;
		if (key->kind == KEY_WHO)
			side->who[side->who_count++] = key->who;
		else if (key->kind == KEY_STATEMENT)
			side->statements[side->statement_count++] = key->statement;
		else if (key->kind == KEY_OLD_APPLICATION)
			note_old_application(report, key);
	}
	for (size_t i = 0; i < report->table_count * 2; i++) {
		struct report_side *side = &report->tables[i / 2]->sides[i % 2];
		qsort(side->who, side->who_count, sizeof(struct report_who *), by_who);
		qsort(side->statements, side->statement_count, sizeof(struct report_statement *), by_statement);
		if (side->statement_count > report->filter.statements_max) {
			side->statements_left_out = side->statement_count - report->filter.statements_max;
			side->statement_count = report->filter.statements_max;
		}
	}
	report_index_free(report->index);
	report->index = NULL;
}
