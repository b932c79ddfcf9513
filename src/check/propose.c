/*
 * Every old table is compared with every new one; the best pairs are taken
 * first, each table once. What is left of the columns of a pair is matched
 * the same way. The result is a valid map even where it is wrong.
 */
#include "check/propose.h"

#include "config/map_capture.h"
#include "model/type_name.h"

#include <stdlib.h>
#include <string.h>

/* Of 100: half for the table's name, half for its columns'. */
enum { SCORE_NAME = 45, SCORE_COLUMNS = 55, SCORE_ENOUGH = 38, PAIRS_MAX = 4000000 };

struct side_table {
	const struct fact_relation *relation;
	const char **columns; /* sorted */
	struct side_table *other; /* its pair; NULL: none */
	unsigned score;
};

struct side_tables {
	struct side_table *items;
	size_t count;
};

struct pair {
	uint32_t score;
	uint32_t old_table, new_table;
};

struct proposal {
	struct arena arena;
	const struct facts *facts;
	struct side_tables sides[2];
	struct pair *pairs;
	size_t pair_count;
	struct buf *out;
};

static bool lists(const struct name_list *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++) {
		if (strcmp(names->names[i], name) == 0)
			return true;
	}
	return false;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int compare_tables(const void *a, const void *b)
{
	const struct side_table *x = a, *y = b;
	int order = strcmp(x->relation->name.schema, y->relation->name.schema);
	return order ? order : strcmp(x->relation->name.name, y->relation->name.name);
}

static const char **sorted_columns(struct arena *arena, const struct fact_relation *relation)
{
	const char **columns = ARENA_ARRAY(arena, relation->column_count + 1, const char *);
	for (size_t i = 0; i < relation->column_count; i++)
		columns[i] = relation->columns[i].name;
	qsort(columns, relation->column_count, sizeof(*columns), compare_texts);
	return columns;
}

static void collect(struct proposal *p, enum side side, const struct name_list *schemas)
{
	struct side_tables *tables = &p->sides[side];
	tables->items = ARENA_ARRAY(&p->arena, p->facts->relation_count + 1, struct side_table);
	for (size_t i = 0; i < p->facts->relation_count; i++) {
		const struct fact_relation *relation = p->facts->relations[i];
		bool is_table = relation->kind == FACT_TABLE || relation->kind == FACT_PARTITIONED ||
				relation->kind == FACT_FOREIGN;
		if (is_table && lists(schemas, relation->name.schema))
			tables->items[tables->count++] =
				(struct side_table){ .relation = relation, .columns = sorted_columns(&p->arena, relation) };
	}
	if (tables->count)
		qsort(tables->items, tables->count, sizeof(*tables->items), compare_tables);
}

/* ---- likeness ---- */

static size_t common_prefix(const char *a, const char *b)
{
	size_t len = 0;
	while (a[len] && a[len] == b[len])
		len++;
	return len;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);
	return len > end_len && strcmp(text + len - end_len, end) == 0;
}

/* 0 … 100 */
static unsigned name_likeness(const char *a, const char *b)
{
	size_t longer = strlen(a) > strlen(b) ? strlen(a) : strlen(b);
	size_t prefix = common_prefix(a, b);
	if (strcmp(a, b) == 0)
		return 100;
	if (strstr(a, b) || strstr(b, a) || ends_with(a, b) || ends_with(b, a))
		return 70;
	return prefix >= 3 ? (unsigned)(60 * prefix / longer) : 0;
}

static unsigned column_likeness(const struct side_table *a, const struct side_table *b)
{
	size_t i = 0, k = 0, same = 0, counts[2] = { a->relation->column_count, b->relation->column_count };
	while (i < counts[0] && k < counts[1]) {
		int order = strcmp(a->columns[i], b->columns[k]);
		same += order == 0;
		i += order <= 0;
		k += order >= 0;
	}
	size_t all = counts[0] + counts[1] - same;
	return all ? (unsigned)(100 * same / all) : 0;
}

static bool same_place(const struct side_table *a, const struct side_table *b)
{
	return a->relation == b->relation;
}

static unsigned score_of(const struct side_table *a, const struct side_table *b)
{
	if (same_place(a, b))
		return 1000;
	return (SCORE_NAME * name_likeness(a->relation->name.name, b->relation->name.name) +
		SCORE_COLUMNS * column_likeness(a, b)) / 100;
}

static int compare_pairs(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	if (x->old_table != y->old_table)
		return x->old_table < y->old_table ? -1 : 1;
	return (x->new_table > y->new_table) - (x->new_table < y->new_table);
}

static void score_pairs(struct proposal *p)
{
	size_t old_count = p->sides[SIDE_OLD].count, new_count = p->sides[SIDE_NEW].count;
	size_t most = old_count * new_count;
	if (!most || most > PAIRS_MAX)
		return;
	p->pairs = ARENA_ARRAY(&p->arena, most, struct pair);
	for (uint32_t i = 0; i < old_count; i++) {
		for (uint32_t k = 0; k < new_count; k++) {
			unsigned score = score_of(&p->sides[SIDE_OLD].items[i], &p->sides[SIDE_NEW].items[k]);
			if (score >= SCORE_ENOUGH)
				p->pairs[p->pair_count++] = (struct pair){ score, i, k };
		}
	}
	if (p->pair_count)
		qsort(p->pairs, p->pair_count, sizeof(*p->pairs), compare_pairs);
}

static void match(struct proposal *p)
{
	for (size_t i = 0; i < p->pair_count; i++) {
		struct side_table *old_table = &p->sides[SIDE_OLD].items[p->pairs[i].old_table];
		struct side_table *new_table = &p->sides[SIDE_NEW].items[p->pairs[i].new_table];
		if (old_table->other || new_table->other)
			continue;
		old_table->other = new_table;
		new_table->other = old_table;
		old_table->score = p->pairs[i].score;
	}
}

/* ---- columns ---- */

struct column_match {
	const struct fact_column *old_column, *new_column; /* one may be NULL */
	bool guessed;
};

struct matches {
	struct column_match *items; /* old columns in order, then the new ones nobody has */
	size_t count;
	size_t unmatched, renamed, retyped;
};

static struct column_match *match_of_new(struct matches *matches, const struct fact_column *column)
{
	for (size_t i = 0; i < matches->count; i++) {
		if (matches->items[i].new_column == column)
			return &matches->items[i];
	}
	return NULL;
}

static const struct fact_column *named(const struct fact_relation *relation, const char *name)
{
	for (size_t i = 0; i < relation->column_count; i++) {
		if (strcmp(relation->columns[i].name, name) == 0)
			return &relation->columns[i];
	}
	return NULL;
}

/* The most alike of those that are left and have the same type. */
static const struct fact_column *guess(struct matches *matches, const struct fact_column *old_column,
				       const struct fact_relation *new_table)
{
	const struct fact_column *best = NULL;
	unsigned best_score = 0;
	for (size_t i = 0; i < new_table->column_count; i++) {
		const struct fact_column *column = &new_table->columns[i];
		unsigned score = name_likeness(old_column->name, column->name);
		if (score > best_score && !match_of_new(matches, column) && type_name_same(column->type, old_column->type)) {
			best = column;
			best_score = score;
		}
	}
	return best;
}

static void match_columns(struct proposal *p, const struct fact_relation *old_table,
			  const struct fact_relation *new_table, struct matches *out)
{
	*out = (struct matches){ 0 };
	out->items = ARENA_ARRAY(&p->arena, old_table->column_count + new_table->column_count + 1, struct column_match);
	for (size_t i = 0; i < old_table->column_count; i++)
		out->items[out->count++] =
			(struct column_match){ &old_table->columns[i], named(new_table, old_table->columns[i].name), false };
	for (size_t i = 0; i < out->count; i++) {
		struct column_match *item = &out->items[i];
		if (item->new_column)
			continue;
		item->new_column = guess(out, item->old_column, new_table);
		item->guessed = item->new_column != NULL;
	}
	for (size_t i = 0; i < new_table->column_count; i++) {
		if (!match_of_new(out, &new_table->columns[i]))
			out->items[out->count++] = (struct column_match){ NULL, &new_table->columns[i], false };
	}
	for (size_t i = 0; i < out->count; i++) {
		const struct column_match *item = &out->items[i];
		out->unmatched += !item->old_column || !item->new_column;
		out->renamed += item->guessed;
		out->retyped += item->old_column && item->new_column &&
				!type_name_same(item->old_column->type, item->new_column->type);
	}
}

/* ---- writing ---- */

static void put_name(struct proposal *p, struct rel_name name)
{
	map_append_scalar(p->out, rel_name_print(&p->arena, name));
}

static void put_shape(struct proposal *p, const char *key, const struct fact_relation *relation)
{
	buf_printf(p->out, "    %s:\n", key);
	for (size_t i = 0; i < relation->column_count; i++) {
		buf_append_str(p->out, "      ");
		map_append_column(p->out, relation->columns[i].name);
		buf_append_str(p->out, ": ");
		map_append_scalar(p->out, relation->columns[i].type);
		buf_append_byte(p->out, '\n');
	}
}

static void put_renames(struct proposal *p, const struct matches *matches)
{
	if (matches->renamed)
		buf_append_str(p->out, "    columns:\n");
	for (size_t i = 0; i < matches->count; i++) {
		const struct column_match *item = &matches->items[i];
		if (!item->guessed)
			continue;
		buf_append_str(p->out, "      ");
		map_append_column(p->out, item->old_column->name);
		buf_append_str(p->out, ": ");
		map_append_column(p->out, item->new_column->name);
		buf_append_str(p->out, "   # doubt: guessed by name and type\n");
	}
}

static void put_lossy(struct proposal *p, const struct matches *matches)
{
	if (!matches->unmatched)
		return;
	buf_append_str(p->out, "    lossy:   # doubt: give those that can be computed an expression in `read` or `write`\n");
	for (size_t i = 0; i < matches->count; i++) {
		const struct column_match *item = &matches->items[i];
		if (item->old_column && item->new_column)
			continue;
		buf_append_str(p->out, "      - ");
		map_append_column(p->out, item->old_column ? item->old_column->name : item->new_column->name);
		buf_append_str(p->out, item->old_column ? "   # old: has no place in the new table\n"
							: "   # new: old code cannot fill it\n");
	}
}

/* In a schema of both sides it may as well be old only, or new only. */
static const char *doubt_of(const struct side_table *table)
{
	if (table->other->relation == table->relation)
		return "   # doubt: its schema is of both sides: does it stay, is it going to be left behind, or is it new?\n";
	return table->score < 80 && !same_place(table, table->other) ? "   # doubt: guessed by name and columns\n" : "\n";
}

static void put_pair(struct proposal *p, const struct side_table *table)
{
	const struct fact_relation *old_table = table->relation, *new_table = table->other->relation;
	struct matches matches;
	match_columns(p, old_table, new_table, &matches);
	bool is_two = matches.unmatched || matches.retyped;
	const char *doubt = doubt_of(table);
	buf_append_str(p->out, "  ");
	put_name(p, old_table->name);
	if (!is_two && !matches.renamed) {
		buf_append_str(p->out, ": ");
		put_name(p, new_table->name);
		buf_append_str(p->out, doubt);
		return;
	}
	buf_append_str(p->out, ":\n    to: ");
	put_name(p, new_table->name);
	buf_append_str(p->out, doubt);
	if (is_two) {
		put_shape(p, "shape", old_table);
		put_shape(p, "new_shape", new_table);
	}
	put_renames(p, &matches);
	put_lossy(p, &matches);
}

/* The new table that is least unlike, among those nobody has. */
static const struct side_table *closest(const struct proposal *p, const struct side_table *old_table)
{
	const struct side_table *best = NULL;
	unsigned best_score = 15;
	for (size_t i = 0; i < p->sides[SIDE_NEW].count; i++) {
		const struct side_table *table = &p->sides[SIDE_NEW].items[i];
		unsigned score = table->other ? 0 : score_of(old_table, table);
		if (score > best_score) {
			best = table;
			best_score = score;
		}
	}
	return best;
}

static void put_single(struct proposal *p, const struct side_table *table)
{
	const struct side_table *near = closest(p, table);
	buf_append_str(p->out, "  ");
	put_name(p, table->relation->name);
	buf_append_str(p->out, ": {to: null, reason: not decided}   # doubt: no new table is like it");
	if (near) {
		buf_append_str(p->out, "; least unlike: ");
		put_name(p, near->relation->name);
	}
	buf_append_byte(p->out, '\n');
}

static void put_leftovers(struct proposal *p)
{
	bool first = true;
	for (size_t i = 0; i < p->sides[SIDE_NEW].count; i++) {
		const struct side_table *table = &p->sides[SIDE_NEW].items[i];
		if (table->other)
			continue;
		if (first)
			buf_append_str(p->out, "# New tables that come from no old one; computed ones belong to `derived`:\n");
		first = false;
		buf_append_str(p->out, "#   ");
		put_name(p, table->relation->name);
		buf_append_byte(p->out, '\n');
	}
}

void propose_map(const struct facts *facts, const struct name_list *old_schemas, const struct name_list *new_schemas,
		 struct buf *out)
{
	struct proposal p = { .facts = facts, .out = out };
	arena_init(&p.arena);
	collect(&p, SIDE_OLD, old_schemas);
	collect(&p, SIDE_NEW, new_schemas);
	score_pairs(&p);
	match(&p);
	buf_append_str(out, "# A draft from names and columns. Look at every line, first at those that say doubt.\n"
			    "old: old\nnew: new\n");
	buf_append_str(out, p.sides[SIDE_OLD].count ? "tables:\n" : "tables: {}\n");
	for (size_t i = 0; i < p.sides[SIDE_OLD].count; i++) {
		const struct side_table *table = &p.sides[SIDE_OLD].items[i];
		if (table->other)
			put_pair(&p, table);
		else
			put_single(&p, table);
	}
	put_leftovers(&p);
	arena_deinit(&p.arena);
}
