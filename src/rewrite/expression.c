#include "rewrite/expression.h"

#include "model/type_name.h"
#include "rewrite/parse.h"
#include "rewrite/tree.h"

#include <stdlib.h>

enum { EXPRESSION_BYTES = 64 * 1024, EXPRESSION_NESTING = 500 };

static struct slice in_arena(struct analysis *a, struct buf *text)
{
	struct slice copy = slice_of(arena_copy(a->arena, text->data ? text->data : "", text->len), text->len);
	buf_deinit(text);
	return copy;
}

/* ---- casts ---- */

/* Without a modifier these names would mean a length of one. */
static const char *bare_spelling(struct analysis *a, const char *type)
{
	const char *bare = type_name_bare(a->arena, type);
	const char *array = strchr(bare, '[') ? strchr(bare, '[') : "";
	size_t len = strlen(bare) - strlen(array);
	if (len == 9 && strncmp(bare, "character", len) == 0)
		return arena_printf(a->arena, "pg_catalog.bpchar%s", array);
	if (len == 3 && strncmp(bare, "bit", len) == 0)
		return arena_printf(a->arena, "pg_catalog.\"bit\"%s", array);
	return bare;
}

static struct slice cast_to(struct analysis *a, struct slice value, const char *type)
{
	return slice_str(arena_printf(a->arena, "CAST(%.*s AS %s)", (int)value.len, value.data, type));
}

struct slice expression_cast_bare(struct analysis *a, struct slice value, const char *type)
{
	return type ? cast_to(a, value, bare_spelling(a, type)) : value;
}

struct slice expression_cast(struct analysis *a, struct slice value, const char *type)
{
	return type ? cast_to(a, value, type) : value;
}

/* The functions behind length coercion; their last argument says that no one asked for cutting. */
static const struct limited {
	const char *type;
	const char *function;
	int more; /* what the modifier is larger by than the length */
} limited[] = {
	{ "character varying(", "varchar", 4 },
	{ "character(", "bpchar", 4 },
	{ "bit varying(", "varbit", 0 },
	{ "bit(", "bit", 0 },
};

struct slice expression_assign(struct analysis *a, struct slice value, const char *type)
{
	for (size_t i = 0; type && i < sizeof(limited) / sizeof(limited[0]); i++) {
		size_t len = strlen(limited[i].type);
		if (strncmp(type, limited[i].type, len) != 0 || strchr(type, '['))
			continue;
		struct slice bare = expression_cast_bare(a, value, type);
		return slice_str(arena_printf(a->arena, "pg_catalog.\"%s\"(%.*s, %d, false)", limited[i].function,
					      (int)bare.len, bare.data, atoi(type + len) + limited[i].more));
	}
	return expression_cast(a, value, type);
}

bool expression_is_number(const char *type)
{
	static const char *const numbers[] = { "smallint", "integer", "bigint", "numeric", "real", "double precision" };
	size_t len = strcspn(type, "[(");
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (len == strlen(numbers[i]) && strncmp(type, numbers[i], len) == 0)
			return type[len] != '[' && !strchr(type, '[');
	}
	return false;
}

/* All that can be assigned to these has a type in common with them, and nothing else has. */
static bool tells_assignable(const char *type)
{
	static const char *const types[] = { "boolean", "date", "timestamp without time zone", "timestamp with time zone",
					     "uuid", "bytea", "inet" };
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(type, types[i]) == 0)
			return true;
	}
	return expression_is_number(type) || (strncmp(type, "timestamp(", 10) == 0 && !strchr(type, '['));
}

struct slice expression_checked(struct analysis *a, struct slice value, const char *type)
{
	if (!type || !tells_assignable(type))
		return value;
	return slice_str(arena_printf(a->arena, "COALESCE(NULL::%s, %.*s)", bare_spelling(a, type), (int)value.len,
				      value.data));
}

struct slice expression_retype(struct analysis *a, struct slice value, const char *type, const char *stored_type)
{
	return expression_assign(a, expression_assign(a, value, type), stored_type);
}

struct slice expression_column(struct analysis *a, const char *qualifier, const char *name)
{
	struct buf text;
	buf_init(&text);
	if (qualifier) {
		name_append_quoted(&text, qualifier);
		buf_append_byte(&text, '.');
	}
	name_append_quoted(&text, name);
	return in_arena(a, &text);
}

/* ---- expressions of the map ---- */

static const char prefix[] = "SELECT ";

struct references {
	struct analysis *a;
	const struct shape_column *columns;
	size_t count;
	const char *qualifier;
	bool *used_out;
	struct splice_list splices;
	bool beyond; /* has a subquery, whose names cannot be told apart here */
	bool unknown; /* names what the other side does not have */
};

static size_t index_of(const struct references *r, const char *name)
{
	size_t i = 0;
	while (i < r->count && strcmp(r->columns[i].name, name) != 0)
		i++;
	return i;
}

static void note_reference(struct references *r, const struct token_list *tokens, const PgQuery__ColumnRef *ref)
{
	const char *name = ref->n_fields == 1 ? tree_string(ref->fields[0]) : NULL;
	size_t i = name ? index_of(r, name) : r->count;
	size_t at = ref->location < 0 ? tokens->count : token_at(tokens, (size_t)ref->location);
	if (i == r->count || at == tokens->count) {
		r->unknown = true;
		return;
	}
	r->used_out[i] = true;
	splice_add(&r->splices, tokens->items[at].offset, tokens->items[at].len,
		   expression_column(r->a, r->qualifier, name));
}

struct expression_walk {
	struct references *references;
	const struct token_list *tokens;
};

static void visit(void *context, const ProtobufCMessage *message)
{
	struct expression_walk *walk = context;
	if (message->descriptor == &pg_query__column_ref__descriptor)
		note_reference(walk->references, walk->tokens, (const PgQuery__ColumnRef *)message);
	else if (message->descriptor == &pg_query__sub_link__descriptor)
		walk->references->beyond = true;
	else
		tree_each_child(message, visit, context);
}

/* Nothing but one expression: no comment that would swallow what follows, no clause. */
static bool is_one_expression(const struct token_list *tokens, const PgQuery__ParseResult *tree)
{
	if (tokens->has_comments || tree->n_stmts != 1 ||
	    tree->stmts[0]->stmt->node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
		return false;
	const PgQuery__SelectStmt *select = tree->stmts[0]->stmt->select_stmt;
	return select->n_target_list == 1 && !select->target_list[0]->res_target->name[0] &&
	       !select->n_from_clause && !select->larg && !select->into_clause && !select->where_clause &&
	       !select->n_group_clause && !select->having_clause && !select->n_sort_clause &&
	       !select->n_distinct_clause && !select->limit_count && !select->limit_offset &&
	       !select->n_window_clause && !select->n_locking_clause &&
	       tree->stmts[0]->stmt_len == 0;
}

static bool read_expression(struct references *r, struct slice text)
{
	struct token_list tokens;
	const PgQuery__ParseResult *tree;
	struct parse_limits limits = { EXPRESSION_BYTES, EXPRESSION_NESTING };
	token_list_init(&tokens);
	lexer_run(text, true, &tokens);
	bool ok = parse_run(r->a->arena, text, &tokens, true, limits, r->a->ruleset, &tree) == PARSE_OK &&
		  is_one_expression(&tokens, tree);
	if (ok) {
		struct expression_walk walk = { r, &tokens };
		tree_each_child(&tree->stmts[0]->base, visit, &walk);
	}
	token_list_deinit(&tokens);
	return ok && !r->unknown;
}

/* Where names cannot be qualified one by one, a row of exactly these columns surrounds the expression. */
static struct slice surrounded(struct references *r, const char *expression)
{
	struct buf text;
	buf_init(&text);
	buf_printf(&text, "(SELECT (%s) FROM (SELECT ", expression);
	for (size_t i = 0; i < r->count; i++) {
		r->used_out[i] = true;
		buf_append_str(&text, i ? ", " : "");
		buf_append_slice(&text, expression_column(r->a, r->qualifier, r->columns[i].name));
	}
	buf_append_str(&text, ") AS crossfade_row)");
	return in_arena(r->a, &text);
}

static struct slice qualified(struct references *r, struct slice text)
{
	struct buf out;
	buf_init(&out);
	buf_append_byte(&out, '(');
	splice_sort(&r->splices);
	splice_separate(&r->splices, text);
	struct buf whole;
	buf_init(&whole);
	splice_apply(&r->splices, text, text.len, &whole);
	buf_append(&out, whole.data + sizeof(prefix) - 1, whole.len - (sizeof(prefix) - 1));
	buf_deinit(&whole);
	buf_append_byte(&out, ')');
	return in_arena(r->a, &out);
}

/* The session would read its backslashes otherwise than the map's author meant them. */
static bool refuse_backslash(struct analysis *a, const char *expression, size_t offset)
{
	if (!strchr(expression, '\\') || session_state_standard_strings(a->state))
		return false;
	struct error *error = analysis_refuse(a, offset, SQLSTATE_FEATURE_NOT_SUPPORTED,
					      "a column's expression cannot be used while standard_conforming_strings is off");
	error_detail(error, "The map's expression has a backslash, which the server would read as an escape.");
	error_hint(error, "SET standard_conforming_strings TO on.");
	return true;
}

bool expression_of_map(struct analysis *a, const char *expression, const struct shape_column *columns, size_t count,
		       const char *qualifier, size_t offset, struct slice *text_out, bool *used_out)
{
	struct references r = { .a = a, .columns = columns, .count = count, .qualifier = qualifier,
				.used_out = used_out };
	if (refuse_backslash(a, expression, offset))
		return false;
	splice_list_init(&r.splices, a->arena);
	struct slice text = slice_str(arena_printf(a->arena, "%s%s", prefix, expression));
	if (!read_expression(&r, text)) {
		struct error *error = analysis_refuse(a, offset, SQLSTATE_FEATURE_NOT_SUPPORTED,
						      "an expression of the map cannot be read");
		error_detail(error, "It is: %s", expression);
		error_hint(error, "Correct the map; `crossfade check` tells where.");
		return false;
	}
	*text_out = !qualifier	? slice_str(arena_printf(a->arena, "(%s)", expression))
		    : r.beyond ? surrounded(&r, expression)
			       : qualified(&r, text);
	for (size_t i = 0; r.beyond && i < count; i++)
		used_out[i] = true; /* which ones cannot be told */
	return true;
}

bool expression_read(struct analysis *a, const struct shape *shape, const struct shape_column *column,
		     const char *qualifier, size_t offset, struct slice *text_out)
{
	struct slice text;
	switch (column->from) {
	case SHAPE_COLUMN:
		text = expression_column(a, qualifier, column->column);
		*text_out = column->retyped ? expression_cast(a, text, column->type) : text;
		return true;
	case SHAPE_EXPRESSION: {
		bool *used = ARENA_ARRAY(a->arena, shape->physical_count, bool);
		if (!expression_of_map(a, column->expression, shape->physical, shape->physical_count, qualifier,
				       offset, &text, used))
			return false;
		*text_out = expression_cast(a, text, column->type);
		return true;
	}
	default:
		*text_out = expression_cast(a, slice_str("NULL"), column->type);
		return true;
	}
}
