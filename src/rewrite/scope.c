#include "rewrite/scope.h"

#include "rewrite/columns.h"
#include "rewrite/derived.h"
#include "rewrite/dml.h"
#include "rewrite/group_keys.h"
#include "rewrite/rows.h"
#include "rewrite/targets.h"

enum { SCOPE_MAX_RANGES = 512 };

struct level *scope_enter(struct analysis *a)
{
	struct level *level = ARENA_NEW(a->arena, struct level);
	level->outer = a->level;
	level->outer_window = a->window;
	a->window = (struct window){ NULL, NULL };
	level->tail = &level->ranges;
	level->next = a->levels;
	a->levels = level;
	a->level = level;
	return level;
}

void scope_leave(struct analysis *a, struct level *level)
{
	a->level = level->outer;
	a->window = level->outer_window;
}

struct range *scope_add(struct analysis *a, const char *refname)
{
	struct range *range = ARENA_NEW(a->arena, struct range);
	range->refname = refname;
	if (!a->level)
		scope_enter(a);
	range->level = a->level;
	*a->level->tail = range;
	a->level->last = range;
	a->level->tail = &range->next;
	return range;
}

void scope_note_join(struct analysis *a, const PgQuery__JoinExpr *join, struct window sides)
{
	if (!join->is_natural && !join->n_using_clause && !join->alias)
		return;
	struct noted_join *noted = ARENA_NEW(a->arena, struct noted_join);
	noted->join = join;
	noted->sides = sides;
	noted->next = a->level->joins;
	a->level->joins = noted;
}

struct window scope_so_far(const struct analysis *a)
{
	static const struct range nothing = { .refname = "", .role = RANGE_OTHER };
	const struct level *level = a->level;
	return level && level->ranges ? (struct window){ level->ranges, level->last } : (struct window){ &nothing, &nothing };
}

struct qualifier *scope_note_qualifier(struct analysis *a, const char *const *parts, size_t part_count, size_t first_token)
{
	struct qualifier *qualifier = ARENA_NEW(a->arena, struct qualifier);
	qualifier->level = a->level;
	qualifier->window = a->window;
	qualifier->part_count = part_count;
	qualifier->first = first_token;
	for (size_t i = 0; i < part_count; i++)
		qualifier->parts[i] = parts[i];
	*a->qualifiers_tail = qualifier;
	a->qualifiers_tail = &qualifier->next;
	return qualifier;
}

/* ---- aliases ---- */

const char *scope_name_after(const struct range *range)
{
	if (range->new_alias)
		return range->new_alias;
	if (range->aliased || !range->changes)
		return range->refname;
	return range->name->physical.name;
}

static bool bare_after(const struct range *range)
{
	return range->is_relation && !range->aliased && !range->new_alias;
}

/* Two tables without aliases may share a name if they are of different
 * schemas; everything else of one name in one FROM is an error. */
static bool clashed_before(const struct level *level, const struct range *a, const struct range *b)
{
	if (strcmp(a->refname, b->refname) != 0)
		return false;
	if (level->names_once || !a->is_relation || !b->is_relation || a->aliased || b->aliased)
		return true;
	if (a->name || b->name)
		return a->name == b->name;
	return !a->schema || !b->schema || strcmp(a->schema, b->schema) == 0;
}

static bool clash_after(const struct range *a, const struct range *b)
{
	if (strcmp(scope_name_after(a), scope_name_after(b)) != 0)
		return false;
	if (!bare_after(a) || !bare_after(b))
		return true;
	return a->name && b->name && rel_name_eq(a->name->physical, b->name->physical);
}

static bool text_has(struct slice text, const char *piece)
{
	size_t len = strlen(piece);
	for (size_t i = 0; i + len <= text.len; i++) {
		if (strncasecmp(text.data + i, piece, len) == 0)
			return true;
	}
	return false;
}

const char *scope_fresh_alias(struct analysis *a)
{
	if (!a->alias_prefix) {
		a->alias_prefix = "crossfade_";
		for (unsigned i = 0; text_has(a->text, a->alias_prefix); i++)
			a->alias_prefix = arena_printf(a->arena, "crossfade%u_", i);
	}
	return arena_printf(a->arena, "%s%u", a->alias_prefix, ++a->alias_number);
}

static void add_old_name_aliases(struct level *level)
{
	for (struct range *r = level->ranges; r; r = r->next) {
		if (!r->changes || r->aliased)
			continue;
		bool derived = r->shape && r->role == RANGE_READ;
		if (derived || (r->can_alias && strcmp(r->name->physical.name, r->refname) != 0))
			r->new_alias = r->refname;
	}
}

/* Tables that got along before and would not now are told apart by aliases of ours. */
static void separate_clashes(struct analysis *a, struct level *level)
{
	for (struct range *r = level->ranges; r; r = r->next) {
		for (struct range *other = level->ranges; r->changes && other; other = other->next) {
			if (other == r || clashed_before(level, r, other) || !clash_after(r, other))
				continue;
			if ((r->can_alias || r->new_alias) && !r->aliased)
				r->new_alias = scope_fresh_alias(a);
			if (other->can_alias && other->is_relation && !other->aliased)
				other->new_alias = scope_fresh_alias(a);
		}
	}
}

static bool is_inside(const struct level *level, const struct level *outer)
{
	while (level && level != outer)
		level = level->outer;
	return level != NULL;
}

/* A schema tells it apart from a table beside it, but not where its columns get its name. */
static void uncover_beside(struct analysis *a, struct range *target)
{
	for (const struct range *r = target->level->ranges; r; r = r->next) {
		if (r != target && r->role != RANGE_OTHER && r->role != RANGE_EXCLUDED &&
		    !clashed_before(target->level, r, target) &&
		    strcmp(scope_name_after(r), scope_name_after(target)) == 0)
			target->new_alias = scope_fresh_alias(a);
	}
}

/* References to a target get its name: one that a table of an inner query has, too, would mean that one. */
static void uncover_targets(struct analysis *a)
{
	for (const struct dml *dml = a->dmls; dml; dml = dml->next) {
		struct range *target = dml->target;
		if (target->shape && target->can_alias && !target->aliased)
			uncover_beside(a, target);
		for (const struct level *level = a->levels; target->shape && target->can_alias && level; level = level->next) {
			if (level == target->level || !is_inside(level, target->level))
				continue;
			for (const struct range *r = level->ranges; r; r = r->next) {
				if (r->role != RANGE_OTHER && r->role != RANGE_EXCLUDED &&
				    strcmp(scope_name_after(r), scope_name_after(target)) == 0)
					target->new_alias = scope_fresh_alias(a);
			}
		}
	}
}

/* ---- splices ---- */

static size_t token_end(const struct analysis *a, size_t index)
{
	return a->tokens->items[index].offset + a->tokens->items[index].len;
}

static struct slice quoted(struct analysis *a, const char *before, const char *name)
{
	struct buf text;
	buf_init(&text);
	buf_append_str(&text, before);
	name_append_quoted(&text, name);
	struct slice copy = slice_of(arena_copy(a->arena, text.data, text.len), text.len);
	buf_deinit(&text);
	return copy;
}

/* The alias of the text, where it became another. */
static void splice_given_alias(struct analysis *a, const struct range *range)
{
	size_t at = range->alias_after + 1;
	at += at < a->end && token_is_word(a->text, &a->tokens->items[at], "as");
	if (at < a->end)
		splice_add(a->splices, a->tokens->items[at].offset, a->tokens->items[at].len,
			   quoted(a, "", range->new_alias));
}

/* Name and alias in one piece where they touch, so that an error in either points at the name. */
static void splice_range(struct analysis *a, const struct range *range)
{
	if (range->shape && range->role == RANGE_READ) {
		if (!range->sample_first)
			derived_splice(a, range);
		return;
	}
	size_t start = a->tokens->items[range->first].offset, end = token_end(a, range->last);
	if (range->aliased && range->new_alias)
		splice_given_alias(a, range);
	struct slice name = range->changes ? resolve_spelled(a->arena, range->name->physical)
					   : slice_of(a->text.data + start, end - start);
	struct slice alias = range->new_alias && !range->aliased ? quoted(a, " AS ", range->new_alias) : slice_of("", 0);
	if (range->alias_after == range->last && alias.len) {
		char *both = arena_printf(a->arena, "%.*s%s", (int)name.len, name.data, alias.data);
		splice_add(a->splices, start, end - start, slice_str(both));
		return;
	}
	if (range->changes)
		splice_add(a->splices, start, end - start, name);
	if (alias.len)
		splice_add(a->splices, token_end(a, range->alias_after), 0, alias);
}

/* What a reference sees of one level. */
struct sight {
	const struct level *level;
	struct window window;
	bool nothing;
};

static struct sight sight_of(const struct qualifier *q)
{
	return (struct sight){ q->level, q->window, false };
}

static void look_outwards(struct sight *sight)
{
	const struct level *level = sight->level;
	*sight = (struct sight){ level->outer, level->outer_window, level->hides_outer };
}

static struct range *first_seen(const struct sight *sight)
{
	if (sight->nothing)
		return NULL;
	return sight->window.first ? (struct range *)sight->window.first : sight->level->ranges;
}

static struct range *next_seen(const struct sight *sight, const struct range *range)
{
	return range == sight->window.last ? NULL : range->next;
}

static size_t count_by_name(const struct sight *sight, const char *name, const struct range **found_out,
			    bool *renamed_out)
{
	size_t count = 0;
	*renamed_out = false;
	for (const struct range *r = first_seen(sight); r; r = next_seen(sight, r)) {
		if (strcmp(r->refname, name) == 0 && !columns_is_hidden(r, sight->window)) {
			if (count++ == 0)
				*found_out = r;
			if (strcmp(scope_name_after(r), name) != 0)
				*renamed_out = true;
		}
	}
	return count;
}

/* As the server would have said, had we not told the tables apart. */
static void refuse_ambiguous(struct analysis *a, const struct qualifier *q)
{
	analysis_refuse(a, a->tokens->items[q->first].offset, "42P09", "table reference \"%s\" is ambiguous",
			q->parts[0]);
}

static void splice_table_qualifier(struct analysis *a, const struct qualifier *q)
{
	const char *name = q->parts[0];
	for (struct sight sight = sight_of(q); sight.level; look_outwards(&sight)) {
		const struct range *range = NULL;
		bool renamed;
		size_t count = count_by_name(&sight, name, &range, &renamed);
		if (count == 0)
			continue;
		if (renamed && count > 1 && !q->locks) {
			refuse_ambiguous(a, q);
			return;
		}
		if (strcmp(scope_name_after(range), name) == 0)
			return;
		size_t start = a->tokens->items[q->first].offset;
		splice_add(a->splices, start, token_end(a, q->first) - start, quoted(a, "", scope_name_after(range)));
		return;
	}
}

/* An unmapped table matters when it got an alias of ours: its schema may be known only from search_path. */
static bool is_meant(const struct range *r, const struct ruleset_name *name, const char *schema, const char *table)
{
	if (!r->is_relation || r->aliased)
		return false;
	if (name)
		return r->name == name;
	return !r->name && r->new_alias && strcmp(r->refname, table) == 0 &&
	       (!r->schema || strcmp(r->schema, schema) == 0);
}

/* schema.table.column means the nearest table of that name that has no alias. */
static struct range *find_qualified(const struct analysis *a, const struct qualifier *q, struct sight *sight_out)
{
	const char *schema = q->parts[q->part_count - 2], *table = q->parts[q->part_count - 1];
	if (q->part_count == 3 && strcmp(q->parts[0], session_state_database(a->state)) != 0)
		return NULL;
	const struct ruleset_name *name = ruleset_find(a->ruleset, schema, table);
	for (struct sight sight = sight_of(q); sight.level; look_outwards(&sight)) {
		for (struct range *r = first_seen(&sight); r; r = next_seen(&sight, r)) {
			if (is_meant(r, name, schema, table) && !columns_is_hidden(r, sight.window)) {
				*sight_out = sight;
				return r;
			}
		}
	}
	return NULL;
}

/* One that the server will not let it name: then its error should be about the table that is meant. */
static struct range *find_out_of_reach(const struct analysis *a, const struct qualifier *q)
{
	for (const struct level *level = q->level; level; level = level->outer) {
		struct qualifier wider = *q;
		struct sight sight;
		wider.level = level;
		wider.window = (struct window){ NULL, NULL };
		struct range *range = find_qualified(a, &wider, &sight);
		if (range)
			return range;
	}
	return NULL;
}

static void splice_schema_qualifier(struct analysis *a, const struct qualifier *q)
{
	struct sight sight;
	const struct range *range = find_qualified(a, q, &sight);
	if (!range)
		range = find_out_of_reach(a, q);
	if (!range || (!range->changes && !range->new_alias))
		return;
	size_t start = a->tokens->items[q->first].offset;
	size_t end = token_end(a, q->first + 2 * (q->part_count - 1));
	splice_add(a->splices, start, end - start,
		   range->new_alias ? quoted(a, "", range->new_alias)
				    : resolve_spelled(a->arena, range->name->physical));
}

/* A schema tells the table apart from one of the same name in a nearer FROM; an alias must do so, too. */
static void uncover_hidden(struct analysis *a, const struct qualifier *q)
{
	struct sight found;
	struct range *range = q->part_count > 1 ? find_qualified(a, q, &found) : NULL;
	if (!range || !range->new_alias)
		return;
	for (struct sight sight = sight_of(q); sight.level != found.level; look_outwards(&sight)) {
		for (const struct range *r = first_seen(&sight); r; r = next_seen(&sight, r)) {
			if (strcmp(scope_name_after(r), range->new_alias) == 0) {
				range->new_alias = scope_fresh_alias(a);
				return;
			}
		}
	}
}

/* Comparing every pair is what this costs; no statement of use comes near the limit. */
static bool too_many_ranges(struct analysis *a)
{
	for (const struct level *level = a->levels; level; level = level->next) {
		size_t count = 0;
		for (const struct range *r = level->ranges; r; r = r->next)
			count++;
		if (count > SCOPE_MAX_RANGES) {
			struct error *error = analysis_refuse(a, a->tokens->items[a->first].offset,
							      SQLSTATE_LIMIT_EXCEEDED,
							      "more than %d tables in one FROM", SCOPE_MAX_RANGES);
			error_hint(error, "Split the statement, or write the tables' present names.");
			return true;
		}
	}
	return false;
}

static bool changes_anything(const struct analysis *a)
{
	for (const struct level *level = a->levels; level; level = level->next) {
		for (const struct range *r = level->ranges; r; r = r->next) {
			if (r->changes)
				return true;
		}
	}
	return false;
}

/* Inner levels come first; what is inside of TABLESAMPLE moves with it. */
static void splice_sampled(struct analysis *a)
{
	for (struct level *level = a->levels; level && !a->refused; level = level->next) {
		for (const struct range *r = level->ranges; r; r = r->next) {
			if (r->shape && r->role == RANGE_READ && r->sample_first)
				derived_splice(a, r);
		}
	}
}

void scope_finish(struct analysis *a)
{
	if (!changes_anything(a) || too_many_ranges(a))
		return;
	a->alias_number = 0;
	derived_prepare(a);
	for (struct level *level = a->levels; level; level = level->next) {
		add_old_name_aliases(level);
		separate_clashes(a, level);
	}
	uncover_targets(a);
	for (const struct qualifier *q = a->qualifiers; q; q = q->next)
		uncover_hidden(a, q);
	for (struct level *level = a->levels; level; level = level->next) {
		for (const struct range *r = level->ranges; r; r = r->next)
			splice_range(a, r);
	}
	group_keys_splice(a);
	targets_splice(a);
	for (const struct qualifier *q = a->qualifiers; q; q = q->next) {
		if (q->done)
			continue;
		if (q->part_count == 1)
			splice_table_qualifier(a, q);
		else
			splice_schema_qualifier(a, q);
	}
	rows_splice(a);
	splice_sampled(a);
	if (!a->refused)
		dml_splice(a);
}
