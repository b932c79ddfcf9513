/* Checks of a map against itself; the live database is `crossfade check`'s business. */
#include "config/map_check.h"

#include "config/sql_name.h"
#include "config/suggest.h"

#include <stdlib.h>

/* One name and the entry that has it. */
struct claim {
	struct rel_name name;
	const struct map_entry *entry;
	enum side side;
};

struct checker {
	const struct map *map;
	struct arena scratch;
	struct claim *claims; /* sorted */
	size_t claim_count;
	struct error *error;
};

#define FAIL(checker, at, ...) \
	(error_set((checker)->error, SQLSTATE_CONFIG_FILE_ERROR, __VA_ARGS__), fail_at((checker), (at)->line, (at)->column))

static bool fail_at(struct checker *checker, uint32_t line, uint32_t column)
{
	error_at(checker->error, checker->map->file, line, column);
	return false;
}

static const char *show(struct checker *checker, struct rel_name name, bool wildcard)
{
	struct buf buf;
	buf_init(&buf);
	if (wildcard) {
		name_append_quoted(&buf, name.schema);
		buf_append_str(&buf, ".*");
	} else {
		rel_name_append(&buf, name);
	}
	const char *text = arena_strdup(&checker->scratch, buf_cstr(&buf));
	buf_deinit(&buf);
	return text;
}

/* ---- names ---- */

/* A quoted table "*" is not the pattern. */
static int compare_claims(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int order = strcmp(x->name.schema, y->name.schema);
	if (!order)
		order = strcmp(x->name.name, y->name.name);
	if (!order)
		order = (int)x->entry->wildcard - (int)y->entry->wildcard;
	if (!order)
		order = (x->entry->id > y->entry->id) - (x->entry->id < y->entry->id);
	return order ? order : (int)x->side - (int)y->side;
}

static bool claims_clash(const struct claim *first, const struct claim *second)
{
	return rel_name_eq(first->name, second->name) && first->entry->wildcard == second->entry->wildcard &&
	       first->entry != second->entry;
}

static bool report_clash(struct checker *checker, const struct claim *first, const struct claim *second)
{
	const struct map_entry *entry = second->entry, *other = first->entry;
	const char *name = show(checker, second->name, entry->wildcard);
	const char *owner = show(checker, other->old_name, other->wildcard);
	if (first->side != second->side) {
		FAIL(checker, entry, "%s is the %s name of this entry and the %s name of %s in line %u", name,
		     side_name(second->side), side_name(first->side), owner, other->line);
		error_hint(checker->error, "A table moves once: give the entry its final new name; a table that "
					   "stays where it is has the same old and new name.");
	} else if (second->side == SIDE_OLD) {
		FAIL(checker, entry, "%s has two entries, the first in line %u", name, other->line);
	} else {
		FAIL(checker, entry, "%s is the new name of two entries, this one and %s in line %u", name, owner,
		     other->line);
		error_hint(checker->error, "Each new table can stand for one old table only.");
	}
	return false;
}

static void collect_claims(struct checker *checker)
{
	const struct map *map = checker->map;
	checker->claims = ARENA_ARRAY(&checker->scratch, map->entry_count * 2 + 1, struct claim);
	for (size_t i = 0; i < map->entry_count; i++) {
		const struct map_entry *entry = &map->entries[i];
		checker->claims[checker->claim_count++] = (struct claim){ entry->old_name, entry, SIDE_OLD };
		if (entry->new_name.name)
			checker->claims[checker->claim_count++] =
				(struct claim){ entry->new_name, entry, SIDE_NEW };
	}
	qsort(checker->claims, checker->claim_count, sizeof(*checker->claims), compare_claims);
}

static bool check_names(struct checker *checker)
{
	const struct claim *worst = NULL;
	collect_claims(checker);
	for (size_t i = 1; i < checker->claim_count; i++) {
		const struct claim *claim = &checker->claims[i];
		if (claims_clash(claim - 1, claim) && (!worst || claim->entry->id < worst->entry->id))
			worst = claim;
	}
	return !worst || report_clash(checker, worst - 1, worst);
}

/* The entry, not a pattern, that has this name on either side. */
static const struct map_entry *entry_named(const struct checker *checker, struct rel_name name)
{
	size_t low = 0, high = checker->claim_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct claim *claim = &checker->claims[middle];
		int order = strcmp(claim->name.schema, name.schema);
		if (!order)
			order = strcmp(claim->name.name, name.name);
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == checker->claim_count || !rel_name_eq(checker->claims[low].name, name))
		return NULL;
	return checker->claims[low].entry->wildcard ? NULL : checker->claims[low].entry;
}

/* ---- columns ---- */

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* One side of an entry: its columns' names, sorted; none when no shape tells. */
struct columns {
	const char **names;
	size_t count;
	bool known;
};

static bool has_column(const struct columns *columns, const char *name)
{
	return columns->count &&
	       bsearch(&name, columns->names, columns->count, sizeof(*columns->names), compare_text);
}

static bool unknown_column(struct checker *checker, const struct columns *columns, const char *name,
			   const char *where, uint32_t line, uint32_t column)
{
	const char *near = suggest_word(name, columns->names, columns->count);
	error_set(checker->error, SQLSTATE_CONFIG_FILE_ERROR, "column %s is not in %s", name, where);
	if (near)
		error_hint(checker->error, "Did you mean %s?", near);
	return fail_at(checker, line, column);
}

enum pair_part { PAIR_KEY, PAIR_VALUE };

static bool check_in_shape(struct checker *checker, const struct map_pairs *pairs, enum pair_part part,
			   const struct columns *columns, const char *where)
{
	for (size_t i = 0; columns->known && i < pairs->count; i++) {
		const struct map_pair *pair = &pairs->items[i];
		const char *name = part == PAIR_KEY ? pair->key : pair->value;
		if (!has_column(columns, name))
			return unknown_column(checker, columns, name, where, pair->line, pair->column);
	}
	return true;
}

static bool check_deprecated(struct checker *checker, const struct map_entry *entry, const struct columns *old_columns)
{
	for (size_t i = 0; old_columns->known && i < entry->deprecated.count; i++) {
		const char *name = entry->deprecated.names[i];
		if (!has_column(old_columns, name))
			return unknown_column(checker, old_columns, name, "`shape`, but in `deprecated`", entry->line,
					      entry->column);
	}
	return true;
}

/* A column of either side may be lost on its way to the other. */
static bool check_lossy(struct checker *checker, const struct map_entry *entry, const struct columns *old_columns,
			const struct columns *new_columns)
{
	for (size_t i = 0; old_columns->known && new_columns->known && i < entry->lossy.count; i++) {
		const char *name = entry->lossy.names[i];
		if (!has_column(old_columns, name) && !has_column(new_columns, name))
			return unknown_column(checker, new_columns, name,
					      "`shape` or `new_shape`, but in `lossy`", entry->line, entry->column);
	}
	return true;
}

struct value_ref {
	const char *text;
	const struct map_pair *pair;
};

static int compare_values(const void *a, const void *b)
{
	const struct value_ref *x = a, *y = b;
	int order = strcmp(x->text, y->text);
	return order ? order : (x->pair > y->pair) - (x->pair < y->pair);
}

static bool check_one_to_one(struct checker *checker, const struct map_entry *entry)
{
	const struct map_pairs *pairs = &entry->columns;
	struct value_ref *refs = ARENA_ARRAY(&checker->scratch, pairs->count + 1, struct value_ref);
	for (size_t i = 0; i < pairs->count; i++)
		refs[i] = (struct value_ref){ pairs->items[i].value, &pairs->items[i] };
	qsort(refs, pairs->count, sizeof(*refs), compare_values);
	for (size_t i = 1; i < pairs->count; i++) {
		if (strcmp(refs[i - 1].text, refs[i].text) != 0)
			continue;
		FAIL(checker, refs[i].pair, "columns %s and %s would both become %s", refs[i - 1].pair->key,
		     refs[i].pair->key, refs[i].text);
		error_hint(checker->error, "Each old column needs a new column of its own; a column that is "
					   "computed belongs to `read` and `write`.");
		return false;
	}
	return true;
}

/* The sets that the checks of one entry look into. */
struct entry_columns {
	struct columns old_columns, new_columns;
	struct columns renamed; /* old names in `columns` */
	struct columns renames; /* new names in `columns` */
	struct columns read, lossy;
};

/* A new name that belongs to an old column which keeps its name. */
static bool check_no_squatter(struct checker *checker, const struct map_entry *entry,
			      const struct entry_columns *sets)
{
	for (size_t i = 0; i < entry->columns.count; i++) {
		const struct map_pair *pair = &entry->columns.items[i];
		if (!has_column(&sets->old_columns, pair->value) || has_column(&sets->renamed, pair->value) ||
		    has_column(&sets->read, pair->value) || has_column(&sets->lossy, pair->value))
			continue;
		FAIL(checker, pair, "column %s would become %s, which is another column of the old table",
		     pair->key, pair->value);
		error_hint(checker->error, "Say where %s goes: in `columns`, `read` or `lossy`.", pair->value);
		return false;
	}
	return true;
}

static bool check_not_both(struct checker *checker, const struct map_pairs *pairs, const struct columns *renamed,
			   const char *what)
{
	for (size_t i = 0; i < pairs->count; i++) {
		if (!has_column(renamed, pairs->items[i].key))
			continue;
		FAIL(checker, &pairs->items[i], "column %s is in `columns` and in `%s`", pairs->items[i].key, what);
		error_hint(checker->error, "A renamed column needs no expression: keep one of the two.");
		return false;
	}
	return true;
}

static struct columns sort_columns(struct columns columns)
{
	qsort(columns.names, columns.count, sizeof(*columns.names), compare_text);
	return columns;
}

static struct columns columns_of(struct checker *checker, const struct map_pairs *pairs, enum pair_part part)
{
	struct columns columns = { ARENA_ARRAY(&checker->scratch, pairs->count + 1, const char *), pairs->count,
				   pairs->count > 0 };
	for (size_t i = 0; i < pairs->count; i++)
		columns.names[i] = part == PAIR_KEY ? pairs->items[i].key : pairs->items[i].value;
	return sort_columns(columns);
}

static struct columns columns_listed(struct checker *checker, const struct name_list *list)
{
	struct columns columns = { ARENA_ARRAY(&checker->scratch, list->count + 1, const char *), list->count,
				   list->count > 0 };
	if (list->count)
		memcpy(columns.names, list->names, list->count * sizeof(*list->names));
	return sort_columns(columns);
}

static bool check_columns(struct checker *checker, const struct map_entry *entry)
{
	arena_reset(&checker->scratch);
	struct entry_columns sets = {
		.old_columns = columns_of(checker, &entry->shape, PAIR_KEY),
		.new_columns = columns_of(checker, &entry->new_shape, PAIR_KEY),
		.renamed = columns_of(checker, &entry->columns, PAIR_KEY),
		.renames = columns_of(checker, &entry->columns, PAIR_VALUE),
		.read = columns_of(checker, &entry->read, PAIR_KEY),
		.lossy = columns_listed(checker, &entry->lossy),
	};
	return check_one_to_one(checker, entry) &&
	       check_in_shape(checker, &entry->columns, PAIR_KEY, &sets.old_columns, "`shape`") &&
	       check_in_shape(checker, &entry->columns, PAIR_VALUE, &sets.new_columns, "`new_shape`") &&
	       check_in_shape(checker, &entry->read, PAIR_KEY, &sets.old_columns, "`shape`") &&
	       check_in_shape(checker, &entry->write, PAIR_KEY, &sets.new_columns, "`new_shape`") &&
	       check_no_squatter(checker, entry, &sets) &&
	       check_not_both(checker, &entry->read, &sets.renamed, "read") &&
	       check_not_both(checker, &entry->write, &sets.renames, "write") &&
	       check_deprecated(checker, entry, &sets.old_columns) &&
	       check_lossy(checker, entry, &sets.old_columns, &sets.new_columns);
}

/* ---- derived ---- */

static bool check_derived(struct checker *checker)
{
	const struct map_pairs *derived = &checker->map->derived;
	for (size_t i = 0; i < derived->count; i++) {
		struct sql_name name;
		const char *why;
		if (!sql_name_parse(&checker->scratch, derived->items[i].key, &name, &why) || !name.name.schema)
			continue;
		const struct map_entry *entry = entry_named(checker, name.name);
		if (!entry)
			continue;
		FAIL(checker, &derived->items[i], "%s is derived, but also in the entry of line %u",
		     derived->items[i].key, entry->line);
		error_hint(checker->error, "A derived table is computed and has no old table: remove one of the two.");
		return false;
	}
	return true;
}

static bool check_all_columns(struct checker *checker)
{
	for (size_t i = 0; i < checker->map->entry_count; i++) {
		if (!check_columns(checker, &checker->map->entries[i]))
			return false;
	}
	return true;
}

bool map_check(const struct map *map, struct error *error_out)
{
	struct checker checker = { .map = map, .error = error_out };
	arena_init(&checker.scratch);
	bool ok = check_names(&checker) && check_derived(&checker) && check_all_columns(&checker);
	arena_deinit(&checker.scratch);
	return ok;
}
