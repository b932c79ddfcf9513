/* Adding rows up. Everything lives in the report's arena; only uthash's buckets do not. */
#include "usage/report_index.h"

#include "base/buf.h"
#include "base/memory.h"

enum key_kind { KEY_TABLE, KEY_WHO, KEY_STATEMENT, KEY_USE, KEY_OLD_APPLICATION, KEY_COLUMN, KEY_COLUMN_APPLICATION,
		KEY_STATEMENT_COLUMNS, KEY_FORECAST };

struct column_names {
	const char **items;
	size_t count, capacity;
};

struct report_key {
	UT_hash_handle hh;
	enum key_kind kind;
	struct report_table *table;
	enum side side;
	union {
		struct report_who *who;
		struct report_statement *statement;
		struct report_use *use;
		struct report_column *column;
		struct { struct report_column *column; const char *name; int64_t last_ms; } application;
		struct column_names columns;
		struct report_foreseen foreseen;
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

static void build_key(struct buf *text, enum key_kind kind, enum side side, const char *const *texts, size_t count)
{
	buf_init(text);
	buf_append_byte(text, (uint8_t)kind);
	buf_append_byte(text, (uint8_t)side);
	for (size_t i = 0; i < count; i++)
		buf_append(text, texts[i], strlen(texts[i]) + 1);
}

static struct report_key *find_key(struct report *report, enum key_kind kind, enum side side,
				   const char *const *texts, size_t count)
{
	struct report_key *key;
	struct buf text;
	build_key(&text, kind, side, texts, count);
	HASH_FIND(hh, report->index->keys, text.data, text.len, key);
	buf_deinit(&text);
	return key;
}

/* The key made of the texts, each with its NUL; made when there is none (*made_out). */
static struct report_key *key_of(struct report *report, enum key_kind kind, enum side side,
				 const char *const *texts, size_t count, bool *made_out)
{
	struct report_key *key;
	struct buf text;
	build_key(&text, kind, side, texts, count);
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
	const char *texts[] = { table->name,  row->database,	row->user,  row->application,
				row->address, row->controller, row->route, row->action };
	struct report_key *key = key_of(report, KEY_WHO, side, texts, 8, &made);
	if (made) {
		key->table = table;
		key->who = ARENA_NEW(&report->arena, struct report_who);
		key->who->database = arena_strdup(&report->arena, row->database);
		key->who->user = arena_strdup(&report->arena, row->user);
		key->who->application = arena_strdup(&report->arena, row->application);
		key->who->address = arena_strdup(&report->arena, row->address);
		key->who->controller = arena_strdup(&report->arena, row->controller);
		key->who->route = arena_strdup(&report->arena, row->route);
		key->who->action = arena_strdup(&report->arena, row->action);
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

static struct report_use *use_of(struct report *report, struct report_table *table, enum side side,
				 const struct report_row *row)
{
	bool made;
	const char *texts[] = { table->name,	 row->kind,  row->statement, row->database, row->user, row->application,
				row->address, row->controller, row->route, row->action };
	struct report_key *key = key_of(report, KEY_USE, side, texts, 10, &made);
	if (made) {
		key->table = table;
		key->use = ARENA_NEW(&report->arena, struct report_use);
		key->use->who = who_of(report, table, side, row);
		key->use->statement = statement_of(report, table, side, row);
		table->sides[side].use_count++;
	}
	return key->use;
}

static enum side side_of(const char *name)
{
	return strcmp(name, side_name(SIDE_NEW)) == 0 ? SIDE_NEW : SIDE_OLD;
}

void report_add_row(struct report *report, const struct report_row *row)
{
	struct report_table *table = report_table_of(report, row->table);
	enum side side = side_of(row->side);
	struct report_side *totals = &table->sides[side];
	add_counts(&totals->counts, &row->counts);
	totals->kinds[kind_of(row->kind)] += row->counts.total;
	add_counts(&who_of(report, table, side, row)->counts, &row->counts);
	add_counts(&statement_of(report, table, side, row)->counts, &row->counts);
	if (report->filter.wants_uses)
		add_counts(&use_of(report, table, side, row)->counts, &row->counts);
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

/* ---- columns and forecasts ---- */

static struct report_column *column_of(struct report *report, const char *table_name, const char *column)
{
	bool made;
	struct report_table *table = report_table_of(report, table_name);
	const char *texts[] = { table->name, column };
	struct report_key *key = key_of(report, KEY_COLUMN, SIDE_OLD, texts, 2, &made);
	if (made) {
		key->table = table;
		key->column = ARENA_NEW(&report->arena, struct report_column);
		key->column->name = arena_strdup(&report->arena, column);
		table->column_count++;
	}
	return key->column;
}

void report_deprecate(struct report *report, const char *table, const char *column)
{
	column_of(report, table, column)->deprecated = true;
}

void report_add_column(struct report *report, const struct report_row *row, const char *name)
{
	bool made;
	struct report_column *column = column_of(report, row->table, name);
	const char *texts[] = { row->table, name, row->application };
	struct report_key *key = key_of(report, KEY_COLUMN_APPLICATION, SIDE_OLD, texts, 3, &made);
	column->counts[side_of(row->side)] += row->counts.total;
	if (row->counts.last_ms > column->last_ms)
		column->last_ms = row->counts.last_ms;
	if (made) {
		key->application.column = column;
		key->application.name = arena_strdup(&report->arena, row->application);
	}
	if (key->application.last_ms < idle_since_ms(report) &&
	    row->counts.last_ms >= idle_since_ms(report))
		column->application_count++;
	if (row->counts.last_ms > key->application.last_ms)
		key->application.last_ms = row->counts.last_ms;
}

static void append_name(struct report *report, struct column_names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++) {
		if (strcmp(names->items[i], name) == 0)
			return;
	}
	if (names->count == names->capacity) {
		names->capacity = names->capacity ? names->capacity * 2 : 8;
		const char **grown = ARENA_ARRAY(&report->arena, names->capacity, const char *);
		if (names->count)
			memcpy(grown, names->items, names->count * sizeof(*grown));
		names->items = grown;
	}
	names->items[names->count++] = arena_strdup(&report->arena, name);
}

void report_add_statement_column(struct report *report, const struct report_row *row, const char *column)
{
	bool made;
	const char *texts[] = { row->table, row->statement };
	struct report_key *key = key_of(report, KEY_STATEMENT_COLUMNS, side_of(row->side), texts, 2, &made);
	append_name(report, &key->columns, column);
}

void report_add_forecast(struct report *report, const struct report_foreseen *foreseen)
{
	bool made;
	const char *texts[] = { foreseen->table, foreseen->statement };
	struct report_key *key = key_of(report, KEY_FORECAST, side_of(foreseen->side), texts, 2, &made);
	key->foreseen.stage = arena_strdup(&report->arena, foreseen->stage);
	key->foreseen.outcome = arena_strdup(&report->arena, foreseen->outcome);
	key->foreseen.reason = arena_strdup(&report->arena, foreseen->reason);
	key->foreseen.made_ms = foreseen->made_ms;
}

/* Of a move or a transform, or of an entry without a new side: the ledger does not tell the first two apart. */
static bool is_next(const struct report_table *table, enum stage now, enum stage next)
{
	switch (now) {
	case STAGE_OLD:
		return table->new_name ? next == STAGE_LIVE || next == STAGE_DUALWRITE : next == STAGE_COMPLETE;
	case STAGE_LIVE:
		return next == STAGE_COMPLETE || next == STAGE_RAMPDOWN;
	default:
		return next == now + 1;
	}
}

/* Made when the table was at another stage, it speaks of what has happened since, or of what comes after the next. */
static bool is_ahead(const struct report_table *table, const struct report_foreseen *foreseen)
{
	enum stage now, next;
	return stage_parse(foreseen->stage, &next) && foreseen->made_ms >= table->went_back_ms &&
	       (!table->stage || !stage_parse(table->stage, &now) || is_next(table, now, next));
}

static void foresee(struct report_table *table, enum side side, struct report_statement *statement,
		    const struct report_key *key)
{
	struct report_forecast *forecast = &table->forecast;
	if (!key || !is_ahead(table, &key->foreseen)) {
		forecast->unknown += side == SIDE_OLD;
		return;
	}
	statement->forecast = key->foreseen.outcome;
	statement->forecast_reason = key->foreseen.reason;
	forecast->stage = key->foreseen.stage;
	if (strcmp(key->foreseen.outcome, usage_forecast_name(USAGE_FORECAST_REFUSED)) == 0)
		forecast->refused++;
	else if (strcmp(key->foreseen.outcome, usage_forecast_name(USAGE_FORECAST_OPAQUE)) == 0)
		forecast->opaque++;
	else
		forecast->fine++;
}

static void complete_statement(struct report *report, const struct report_key *key)
{
	const char *texts[] = { key->table->name, key->statement->text };
	const struct report_key *columns = find_key(report, KEY_STATEMENT_COLUMNS, key->side, texts, 2);
	if (columns) {
		key->statement->columns = columns->columns.items;
		key->statement->column_count = columns->columns.count;
	}
	foresee(key->table, key->side, key->statement, find_key(report, KEY_FORECAST, key->side, texts, 2));
}

static int by_column(const void *a, const void *b)
{
	const struct report_column *x = *(struct report_column *const *)a, *y = *(struct report_column *const *)b;
	return x->deprecated != y->deprecated ? (x->deprecated ? -1 : 1) : strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* ---- order ---- */

static bool busier(const struct report_counts *a, const struct report_counts *b)
{
	return a->total != b->total ? a->total > b->total : a->last_ms > b->last_ms;
}

static int by_statement(const void *a, const void *b)
{
	const struct report_statement *x = *(struct report_statement *const *)a;
	const struct report_statement *y = *(struct report_statement *const *)b;
	int order = busier(&x->counts, &y->counts) ? -1 : busier(&y->counts, &x->counts);
	order = order ? order : strcmp(x->text, y->text);
	return order ? order : (x->kind > y->kind) - (x->kind < y->kind);
}

static int by_who(const void *a, const void *b)
{
	const struct report_who *x = *(struct report_who *const *)a, *y = *(struct report_who *const *)b;
	const char *const of_x[] = { x->application, x->user, x->database, x->address, x->controller, x->route, x->action };
	const char *const of_y[] = { y->application, y->user, y->database, y->address, y->controller, y->route, y->action };
	int order = busier(&x->counts, &y->counts) ? -1 : busier(&y->counts, &x->counts);
	for (size_t i = 0; !order && i < sizeof(of_x) / sizeof(of_x[0]); i++)
		order = strcmp(of_x[i], of_y[i]);
	return order;
}

static void make_room(struct report *report)
{
	for (size_t i = 0; i < report->table_count * 2; i++) {
		struct report_table *table = report->tables[i / 2];
		struct report_side *side = &table->sides[i % 2];
		side->who = ARENA_ARRAY(&report->arena, side->who_count, struct report_who *);
		side->statements = ARENA_ARRAY(&report->arena, side->statement_count, struct report_statement *);
		side->uses = ARENA_ARRAY(&report->arena, side->use_count, struct report_use *);
		side->who_count = side->statement_count = side->use_count = 0;
		if (i % 2 == 0) {
			table->columns = ARENA_ARRAY(&report->arena, table->column_count, struct report_column *);
			table->column_count = 0;
		}
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

static void note_column_application(struct report *report, const struct report_key *key)
{
	struct report_column *column = key->application.column;
	if (key->application.last_ms < idle_since_ms(report))
		return;
	if (!column->applications) {
		column->applications = ARENA_ARRAY(&report->arena, column->application_count, const char *);
		column->application_count = 0;
	}
	column->applications[column->application_count++] = key->application.name;
}

static void collect_key(struct report *report, struct report_key *key)
{
	struct report_table *table = key->table;
	struct report_side *side = table ? &table->sides[key->side] : NULL;
	switch (key->kind) {
	case KEY_WHO: side->who[side->who_count++] = key->who; break;
	case KEY_STATEMENT:
		side->statements[side->statement_count++] = key->statement;
		complete_statement(report, key);
		break;
	case KEY_USE: side->uses[side->use_count++] = key->use; break;
	case KEY_OLD_APPLICATION: note_old_application(report, key); break;
	case KEY_COLUMN: table->columns[table->column_count++] = key->column; break;
	case KEY_COLUMN_APPLICATION: note_column_application(report, key); break;
	default: break;
	}
}

static void sort_side(struct report *report, struct report_side *side)
{
	qsort(side->who, side->who_count, sizeof(struct report_who *), by_who);
	qsort(side->statements, side->statement_count, sizeof(struct report_statement *), by_statement);
	if (side->statement_count > report->filter.statements_max) {
		side->statements_left_out = side->statement_count - report->filter.statements_max;
		side->statement_count = report->filter.statements_max;
	}
}

static void sort_columns(struct report_table *table)
{
	qsort(table->columns, table->column_count, sizeof(struct report_column *), by_column);
	for (size_t i = 0; i < table->column_count; i++) {
		if (table->columns[i]->application_count)
			qsort(table->columns[i]->applications, table->columns[i]->application_count,
			      sizeof(const char *), by_name);
	}
}

static void note_way_back(struct report *report, const struct report_flip *flip)
{
	enum stage from, to;
	const struct report_key *key = find_key(report, KEY_TABLE, SIDE_OLD, &flip->table, 1);
	if (key && stage_parse(flip->from, &from) && stage_parse(flip->to, &to) && to < from &&
	    flip->at_ms > key->table->went_back_ms)
		key->table->went_back_ms = flip->at_ms;
}

void report_index_collect(struct report *report)
{
	struct report_key *key, *next;
	for (size_t i = 0; i < report->flip_count; i++)
		note_way_back(report, &report->flips[i]);
	make_room(report);
	HASH_ITER(hh, report->index->keys, key, next)
	collect_key(report, key);
	for (size_t i = 0; i < report->table_count * 2; i++)
		sort_side(report, &report->tables[i / 2]->sides[i % 2]);
	for (size_t i = 0; i < report->table_count; i++)
		sort_columns(report->tables[i]);
	report_index_free(report->index);
	report->index = NULL;
}
