#include "rewrite/introspection.h"

#include "rewrite/tree.h"

struct catalog_range {
	struct catalog_range *next;
	struct range *range;
	const char *schema, *name; /* of the catalog's own */
};

enum call_kind { CALL_VISIBLE, CALL_DEFINITION };

struct catalog_call {
	struct catalog_call *next;
	enum call_kind kind;
	const char *function;
	bool qualified; /* CALL_DEFINITION: prints names with their schemas */
	size_t first, open, close; /* tokens: the name, the parentheses */
};

struct introspection {
	struct catalog_range *ranges, **ranges_tail;
	struct catalog_call *calls, **calls_tail;
};

bool introspection_is_word(struct slice text, const struct token *token)
{
	static const char info[] = "information_schema";
	const char *data = text.data + token->offset;
	size_t len = token->len;
	if (token->class == TOKEN_QUOTED && len > 2) {
		data++;
		len -= 2;
	}
	return (len > 3 && strncasecmp(data, "pg_", 3) == 0) ||
	       (len == sizeof(info) - 1 && strncasecmp(data, info, len) == 0);
}

/* ---- noting ---- */

static struct introspection *introspection(struct analysis *a)
{
	if (!a->introspection) {
		a->introspection = ARENA_NEW(a->arena, struct introspection);
		a->introspection->ranges_tail = &a->introspection->ranges;
		a->introspection->calls_tail = &a->introspection->calls;
	}
	return a->introspection;
}

static bool is_cte(const struct analysis *a, const char *name)
{
	for (const struct cte *cte = a->ctes; cte; cte = cte->next) {
		if (strcmp(cte->name, name) == 0)
			return true;
	}
	return false;
}

void introspection_range(struct analysis *a, const PgQuery__RangeVar *relation, struct range *range)
{
	const char *schema = relation->schemaname;
	if (!schema[0] && strncmp(relation->relname, "pg_", 3) == 0 && !is_cte(a, relation->relname) &&
	    !session_state_has_temp(a->state, relation->relname))
		schema = "pg_catalog";
	if ((strcmp(schema, "pg_catalog") != 0 && strcmp(schema, "information_schema") != 0))
		return;
	struct introspection *in = introspection(a);
	struct catalog_range *noted = ARENA_NEW(a->arena, struct catalog_range);
	noted->range = range;
	noted->schema = schema;
	noted->name = relation->relname;
	*in->ranges_tail = noted;
	in->ranges_tail = &noted->next;
}

static bool find_call(const char *function, size_t args, struct catalog_call *call_out)
{
	static const char *const definitions[] = { "pg_get_constraintdef", "pg_get_indexdef", "pg_get_expr",
						   "pg_get_viewdef", "pg_get_triggerdef" };
	call_out->function = function;
	call_out->kind = CALL_VISIBLE;
	if (strcmp(function, "pg_table_is_visible") == 0)
		return true;
	call_out->kind = CALL_DEFINITION;
	for (size_t i = 0; i < sizeof(definitions) / sizeof(definitions[0]); i++) {
		if (strcmp(function, definitions[i]) == 0) {
			call_out->qualified = args == 1 && (i == 1 || i == 4);
			return true;
		}
	}
	return false;
}

/* From the opening parenthesis after `last` to the one that closes it. */
static bool find_parentheses(const struct analysis *a, size_t last, struct catalog_call *call_out)
{
	size_t depth = 0;
	call_out->open = last + 1;
	for (size_t i = last + 1; i < a->end; i++) {
		const struct token *token = &a->tokens->items[i];
		if (token_is(a->text, token, "("))
			depth++;
		else if (depth && token_is(a->text, token, ")") && --depth == 0) {
			call_out->close = i;
			return true;
		}
		if (!depth)
			return false;
	}
	return false;
}

void introspection_call(struct analysis *a, const PgQuery__FuncCall *call)
{
	struct catalog_call found = { 0 };
	struct token_name where;
	if (a->ruleset->policy.introspection != INTROSPECTION_MAP || a->in_from_function || call->location < 0 ||
	    !find_call(tree_last_string(call->funcname, call->n_funcname), call->n_args, &found))
		return;
	size_t first = token_at(a->tokens, (size_t)call->location);
	if (first < a->first || first >= a->end || !walk_token_name(a, first, &where) ||
	    !find_parentheses(a, where.last, &found))
		return;
	struct introspection *in = introspection(a);
	struct catalog_call *noted = ARENA_NEW(a->arena, struct catalog_call);
	*noted = found;
	noted->first = first;
	*in->calls_tail = noted;
	in->calls_tail = &noted->next;
}

/* ---- what the statement says in strings ---- */

struct word_list {
	struct slice *items;
	size_t count, capacity;
};

enum { MOST_WORDS = 1000 };

static void add_word(struct arena *arena, struct word_list *words, struct slice word)
{
	if (word.len == 0 || word.len > NAME_MAX_BYTES || words->count >= MOST_WORDS)
		return;
	if (words->count == words->capacity) {
		size_t capacity = words->capacity ? words->capacity * 2 : 16;
		struct slice *items = ARENA_ARRAY(arena, capacity, struct slice);
		if (words->count)
			memcpy(items, words->items, words->count * sizeof(*items));
		words->items = items;
		words->capacity = capacity;
	}
	words->items[words->count++] = word;
}

static bool is_word_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
	       (c & 0x80);
}

/* A name may be all of a string, or stand in a pattern like '^(public)$'. */
static void add_words(struct arena *arena, struct word_list *words, struct slice value)
{
	add_word(arena, words, value);
	for (size_t at = 0; at < value.len;) {
		size_t end = at;
		while (end < value.len && is_word_byte(value.data[end]))
			end++;
		if (end - at < value.len)
			add_word(arena, words, slice_of(value.data + at, end - at));
		at = end > at ? end : at + 1;
	}
}

static void collect_words(struct analysis *a, struct word_list *words)
{
	for (size_t i = a->first; i < a->end; i++) {
		const struct token *token = &a->tokens->items[i];
		struct slice value;
		if (token_is_literal(token) && token->class != TOKEN_NUMBER && token->class != TOKEN_BITS &&
		    token_string(a->arena, a->text, token, &value))
			add_words(a->arena, words, value);
	}
}

static bool has_word(const struct word_list *words, const char *name)
{
	size_t len = strlen(name);
	for (size_t i = 0; i < words->count; i++) {
		if (words->items[i].len == len && memcmp(words->items[i].data, name, len) == 0)
			return true;
	}
	return false;
}

/* `nspname = $1` and the like: which schema is asked for is not known before Bind. */
static bool asks_by_parameter(const struct analysis *a)
{
	static const char *const columns[] = { "nspname", "table_schema", "schemaname", "sequence_schema",
					       "constraint_schema", "event_object_schema" };
	enum { NEAR = 8 };
	size_t column_at = SIZE_MAX, parameter_at = SIZE_MAX;
	for (size_t i = a->first; i < a->end; i++) {
		const struct token *token = &a->tokens->items[i];
		char name[NAME_MAX_BYTES + 1];
		if (token->class == TOKEN_PARAM) {
			parameter_at = i;
		} else if (token_is_identifier(token)) {
			token_identifier(a->text, token, name);
			for (size_t k = 0; k < sizeof(columns) / sizeof(columns[0]); k++) {
				if (strcmp(name, columns[k]) == 0)
					column_at = i;
			}
		}
		if (column_at != SIZE_MAX && parameter_at != SIZE_MAX && column_at < parameter_at + NEAR &&
		    parameter_at < column_at + NEAR)
			return true;
	}
	return false;
}

static bool has_identifier(const struct analysis *a, const char *name)
{
	for (size_t i = a->first; i < a->end; i++) {
		if (token_is_word(a->text, &a->tokens->items[i], name))
			return true;
	}
	return false;
}

/* ---- under which names it is to see them ---- */

static bool is_named(const struct ruleset_entry *entry, enum side side, const struct word_list *words)
{
	bool same_schema = strcmp(entry->names[0].schema, entry->names[1].schema) == 0;
	return has_word(words, entry->names[side].schema) && (!same_schema || has_word(words, entry->names[side].name));
}

/* The side that search_path reaches; false: neither. */
static bool reached_side(const struct analysis *a, const struct ruleset_entry *entry, enum side *side_out)
{
	const struct name_list *path = session_state_search_path(a->state);
	for (int side = SIDE_OLD; path && side <= SIDE_NEW; side++) {
		const struct ruleset_name *found =
			ruleset_resolve(a->ruleset, path, session_state_user(a->state), entry->names[side].name, a->state);
		if (found && found->entry == entry) {
			*side_out = found->side;
			return true;
		}
	}
	return false;
}

/* Only a table that one side alone has, and whose oid is known, can be shown elsewhere. */
static bool can_be_shown(const struct ruleset_entry *entry)
{
	enum side other = entry->physical == SIDE_OLD ? SIDE_NEW : SIDE_OLD;
	return entry->kind == MAP_MOVE && entry->relation[entry->physical] && entry->relation[entry->physical]->oid &&
	       !entry->relation[other] && !(other == SIDE_OLD && entry->stage == STAGE_COMPLETE);
}

static enum shown_as choose(const struct analysis *a, const struct ruleset_entry *entry,
			    const struct word_list *words, bool by_parameter, enum side written)
{
	bool old_named = is_named(entry, SIDE_OLD, words), new_named = is_named(entry, SIDE_NEW, words);
	enum side side = entry->physical;
	if ((old_named && new_named) || (!old_named && !new_named && by_parameter))
		return SHOWN_BOTH;
	if (old_named || new_named)
		return (old_named ? SIDE_OLD : SIDE_NEW) == written ? SHOWN_WRITTEN : SHOWN_PHYSICAL;
	if (!reached_side(a, entry, &side)) {
		bool by_name[2] = { has_word(words, entry->names[SIDE_OLD].name),
				    has_word(words, entry->names[SIDE_NEW].name) };
		if (by_name[SIDE_OLD] != by_name[SIDE_NEW])
			side = by_name[SIDE_OLD] ? SIDE_OLD : SIDE_NEW;
	}
	return side == written ? SHOWN_WRITTEN : SHOWN_PHYSICAL;
}

static struct shown_list decide(struct analysis *a, const struct word_list *words)
{
	const struct ruleset *ruleset = a->ruleset;
	struct shown *items = ARENA_ARRAY(a->arena, ruleset->entry_count, struct shown);
	struct shown_list list = { items, 0, has_identifier(a, "tableoid"), has_identifier(a, "xmin"),
				   has_identifier(a, "ctid") };
	bool by_parameter = asks_by_parameter(a);
	for (size_t i = 0; i < ruleset->entry_count; i++) {
		const struct ruleset_entry *entry = &ruleset->entries[i];
		enum side reached = entry->physical;
		if (!can_be_shown(entry))
			continue;
		enum side written = entry->physical == SIDE_OLD ? SIDE_NEW : SIDE_OLD;
		bool is_reached = reached_side(a, entry, &reached);
		items[list.count++] = (struct shown){ entry, choose(a, entry, words, by_parameter, written), written,
						      is_reached && reached == written, is_reached };
	}
	return list;
}

/* ---- counting ---- */

static void count_uses(struct analysis *a, const struct word_list *words, bool mapped)
{
	for (size_t i = 0; i < a->ruleset->entry_count; i++) {
		const struct ruleset_entry *entry = &a->ruleset->entries[i];
		enum side side = SIDE_OLD;
		if (!entry->names[SIDE_NEW].schema) {
			if (!has_word(words, entry->names[SIDE_OLD].name))
				continue;
		} else if (!has_word(words, entry->names[SIDE_OLD].name) && !has_word(words, entry->names[SIDE_NEW].name)) {
			continue;
		} else if (is_named(entry, SIDE_NEW, words) && !is_named(entry, SIDE_OLD, words)) {
			side = SIDE_NEW;
		} else if (!is_named(entry, SIDE_OLD, words)) {
			reached_side(a, entry, &side);
		}
		const struct ruleset_name *name =
			ruleset_find(a->ruleset, entry->names[side].schema, entry->names[side].name);
		if (name)
			analysis_use(a, name, USE_INTROSPECTION, mapped && side != entry->physical ? USE_REWRITTEN : 0);
	}
}

/* ---- splices ---- */

static size_t token_end(const struct analysis *a, size_t index)
{
	return a->tokens->items[index].offset + a->tokens->items[index].len;
}

/* TABLE t, ONLY t and t * leave no room for a query. */
static bool can_be_replaced(const struct analysis *a, const struct range *range)
{
	return range->can_alias && range->alias_after == range->last &&
	       !(range->first > a->first && token_is_word(a->text, &a->tokens->items[range->first - 1], "only"));
}

static void replace_range(struct analysis *a, const struct shown_list *shown, struct catalog_range *noted)
{
	struct range *range = noted->range;
	if (!introspection_knows(noted->schema, noted->name) || !can_be_replaced(a, range))
		return;
	struct slice query = introspection_table(a->arena, shown, noted->schema, noted->name);
	if (!query.len)
		return;
	struct buf text;
	buf_init(&text);
	buf_append_slice(&text, query);
	if (!range->aliased) {
		buf_append_str(&text, " AS ");
		name_append_quoted(&text, noted->name);
	}
	size_t start = a->tokens->items[range->first].offset;
	splice_add(a->splices, start, token_end(a, range->last) - start,
		   slice_of(arena_copy(a->arena, text.data, text.len), text.len));
	analysis_explain(a, start, token_end(a, range->last) - start, noted->name, RULE_INTROSPECTION)->became =
		"the layout the statement looks for";
	range->can_alias = false; /* the place is taken */
	buf_deinit(&text);
	for (const struct qualifier *q = a->qualifiers; q && !range->aliased; q = q->next) {
		/* pg_catalog.pg_class.relname: the relation has become a query called pg_class. */
		if (q->part_count == 2 && strcmp(q->parts[0], noted->schema) == 0 && strcmp(q->parts[1], noted->name) == 0)
			splice_add(a->splices, a->tokens->items[q->first].offset,
				   token_end(a, q->first + 1) - a->tokens->items[q->first].offset, slice_of("", 0));
	}
}

static void wrap(struct analysis *a, const struct catalog_call *call, const struct buf *before, const struct buf *after)
{
	size_t start = a->tokens->items[call->first].offset, open_end = token_end(a, call->open);
	struct buf text;
	buf_init(&text);
	buf_append_slice(&text, buf_slice(before));
	splice_add(a->splices, start, open_end - start, slice_of(arena_copy(a->arena, text.data, text.len), text.len));
	buf_clear(&text);
	buf_append_slice(&text, buf_slice(after));
	splice_add(a->splices, a->tokens->items[call->close].offset, 1,
		   slice_of(arena_copy(a->arena, text.data, text.len), text.len));
	buf_deinit(&text);
}

static void replace_visible(struct analysis *a, const struct shown_list *shown, const struct catalog_call *call)
{
	struct buf before, after;
	buf_init(&before);
	buf_init(&after);
	buf_append_str(&before, "(SELECT CASE");
	for (int visible = 1; visible >= 0; visible--) {
		size_t start = before.len;
		buf_append_str(&before, " WHEN x.o = ANY (");
		if (introspection_oids(shown, visible, &before))
			buf_printf(&before, ") THEN %s", visible ? "true" : "false");
		else
			before.len = start;
	}
	buf_append_str(&before, " ELSE pg_catalog.pg_table_is_visible(x.o) END AS pg_table_is_visible FROM (SELECT ");
	buf_append_str(&after, ") AS x(o))");
	wrap(a, call, &before, &after);
	buf_deinit(&before);
	buf_deinit(&after);
}

static void replace_definition(struct analysis *a, const struct shown_list *shown, const struct catalog_call *call)
{
	struct buf before, after;
	buf_init(&before);
	buf_init(&after);
	buf_append_str(&before, "(SELECT ");
	introspection_translate(shown, call->qualified, &before, &after);
	if (after.len) {
		buf_printf(&before, "pg_catalog.%s(", call->function);
		struct buf closing;
		buf_init(&closing);
		buf_append_byte(&closing, ')');
		buf_append_slice(&closing, buf_slice(&after));
		buf_printf(&closing, " AS %s)", call->function);
		wrap(a, call, &before, &closing);
		buf_deinit(&closing);
	}
	buf_deinit(&before);
	buf_deinit(&after);
}

static bool anything_shown(const struct shown_list *shown)
{
	for (size_t i = 0; i < shown->count; i++) {
		if (shown->items[i].as != SHOWN_PHYSICAL)
			return true;
	}
	return false;
}

static void replace(struct analysis *a, const struct introspection *in, const struct word_list *words)
{
	a->depends_on_state = true;
	if (!session_state_search_path(a->state)) {
		if (!a->needs_search_path)
			a->needs_search_path_at = a->tokens->items[a->first].offset;
		a->needs_search_path = true;
		return;
	}
	struct shown_list shown = decide(a, words);
	if (!anything_shown(&shown))
		return;
	for (struct catalog_range *noted = in->ranges; noted; noted = noted->next)
		replace_range(a, &shown, noted);
	for (const struct catalog_call *call = in->calls; call; call = call->next) {
		if (call->kind == CALL_VISIBLE)
			replace_visible(a, &shown, call);
		else
			replace_definition(a, &shown, call);
	}
}

void introspection_finish(struct analysis *a)
{
	const struct introspection *in = a->introspection;
	struct word_list words = { 0 };
	if (!in || a->refused)
		return;
	/* A view would keep today's answer for good. */
	bool map = a->ruleset->policy.introspection == INTROSPECTION_MAP && a->read_kind != USE_DDL;
	collect_words(a, &words);
	if (in->ranges)
		count_uses(a, &words, map);
	if (map)
		replace(a, in, &words);
}
