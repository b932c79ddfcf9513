/* Names of relations inside strings: arguments of regclass and its kin. */
#include "rewrite/tree.h"
#include "rewrite/walk.h"

#include <stdlib.h>

/* How names stand in a string. */
enum spelled {
	SPELLED_NAME,	   /* one relation */
	SPELLED_TYPE,	   /* one type, which may be a table's row */
	SPELLED_SIGNATURE, /* f(types) */
	SPELLED_ARRAY,	   /* {relation, …} */
};

/* Functions that take such a string; place counts arguments from the front, or from the end below 0. */
static const struct name_reader {
	const char *function;
	int place;
	enum spelled spelled;
} name_readers[] = {
	{ "nextval", 0, SPELLED_NAME },
	{ "currval", 0, SPELLED_NAME },
	{ "setval", 0, SPELLED_NAME },
	{ "to_regclass", 0, SPELLED_NAME },
	{ "to_regtype", 0, SPELLED_TYPE },
	{ "to_regprocedure", 0, SPELLED_SIGNATURE },
	{ "to_regoperator", 0, SPELLED_SIGNATURE },
	{ "pg_get_serial_sequence", 0, SPELLED_NAME },
	{ "pg_relation_size", 0, SPELLED_NAME },
	{ "pg_total_relation_size", 0, SPELLED_NAME },
	{ "pg_table_size", 0, SPELLED_NAME },
	{ "pg_indexes_size", 0, SPELLED_NAME },
	{ "pg_relation_filenode", 0, SPELLED_NAME },
	{ "pg_relation_filepath", 0, SPELLED_NAME },
	{ "pg_relation_is_updatable", 0, SPELLED_NAME },
	{ "pg_get_viewdef", 0, SPELLED_NAME },
	{ "pg_sequence_last_value", 0, SPELLED_NAME },
	{ "row_security_active", 0, SPELLED_NAME },
	{ "pg_relation_is_publishable", 0, SPELLED_NAME },
	{ "pg_partition_root", 0, SPELLED_NAME },
	{ "pg_partition_tree", 0, SPELLED_NAME },
	{ "pg_partition_ancestors", 0, SPELLED_NAME },
	{ "pg_get_replica_identity_index", 0, SPELLED_NAME },
	{ "pg_index_has_property", 0, SPELLED_NAME },
	{ "pg_index_column_has_property", 0, SPELLED_NAME },
	{ "pg_prewarm", 0, SPELLED_NAME },
	{ "pg_relpages", 0, SPELLED_NAME },
	{ "pg_freespace", 0, SPELLED_NAME },
	{ "pg_visibility", 0, SPELLED_NAME },
	{ "pg_visibility_map", 0, SPELLED_NAME },
	{ "pg_visibility_map_summary", 0, SPELLED_NAME },
	{ "pgstattuple", 0, SPELLED_NAME },
	{ "pgstattuple_approx", 0, SPELLED_NAME },
	{ "pgstatindex", 0, SPELLED_NAME },
	{ "table_to_xml", 0, SPELLED_NAME },
	{ "table_to_xmlschema", 0, SPELLED_NAME },
	{ "table_to_xml_and_xmlschema", 0, SPELLED_NAME },
	{ "brin_summarize_new_values", 0, SPELLED_NAME },
	{ "brin_summarize_range", 0, SPELLED_NAME },
	{ "brin_desummarize_range", 0, SPELLED_NAME },
	{ "gin_clean_pending_list", 0, SPELLED_NAME },
	{ "has_table_privilege", -2, SPELLED_NAME },
	{ "has_sequence_privilege", -2, SPELLED_NAME },
	{ "has_any_column_privilege", -2, SPELLED_NAME },
	{ "has_column_privilege", -3, SPELLED_NAME },
	{ "has_type_privilege", -2, SPELLED_TYPE },
	{ "has_function_privilege", -2, SPELLED_SIGNATURE },
};

/* ---- one name in a string ---- */

struct string_name {
	char parts[3][NAME_MAX_BYTES + 1];
	size_t count;
	bool row_array; /* ends in [], as regtype allows */
};

/* As the server's textToQualifiedNameList does, by the lexer: names joined by dots, nothing else. */
static bool split_name(struct slice value, struct string_name *name_out)
{
	struct token_list tokens;
	token_list_init(&tokens);
	lexer_run(value, true, &tokens);
	size_t count = tokens.count;
	name_out->count = 0;
	name_out->row_array = count >= 3 && token_is(value, &tokens.items[count - 1], "]") &&
			      token_is(value, &tokens.items[count - 2], "[");
	if (name_out->row_array)
		count -= 2;
	bool good = tokens.status == LEXER_OK && count % 2 == 1 && count <= 5;
	for (size_t i = 0; good && i < count; i++) {
		const struct token *token = &tokens.items[i];
		if (i % 2)
			good = token_is(value, token, ".");
		else if ((good = token->class <= TOKEN_QUOTED))
			token_identifier(value, token, name_out->parts[name_out->count++]);
	}
	token_list_deinit(&tokens);
	return good;
}

static struct slice as_literal(struct analysis *a, struct slice value)
{
	struct buf text;
	buf_init(&text);
	if (memchr(value.data, '\\', value.len))
		buf_append_byte(&text, 'E');
	buf_append_byte(&text, '\'');
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] == '\'' || value.data[i] == '\\')
			buf_append_byte(&text, (uint8_t)value.data[i]);
		buf_append_byte(&text, (uint8_t)value.data[i]);
	}
	buf_append_byte(&text, '\'');
	struct slice copy = slice_of(arena_copy(a->arena, text.data, text.len), text.len);
	buf_deinit(&text);
	return copy;
}

static const struct token *literal_of(struct analysis *a, const PgQuery__AConst *constant)
{
	size_t at = constant->location < 0 ? a->tokens->count : token_at(a->tokens, (size_t)constant->location);
	analysis_consult(a, at);
	if (at < a->first || at >= a->end || !token_is_literal(&a->tokens->items[at]))
		return NULL;
	return &a->tokens->items[at];
}

/* A value is looked at when it is bound. */
static void note_parameter(struct analysis *a, int number)
{
	if (number <= 0 || number > UINT16_MAX)
		return;
	if (!a->parameter_bits)
		a->parameter_bits = ARENA_ARRAY(a->arena, (UINT16_MAX + 1) / 8, uint8_t);
	uint8_t bit = (uint8_t)(1u << (number % 8));
	if (a->parameter_bits[number / 8] & bit)
		return;
	a->parameter_bits[number / 8] |= bit;
	struct noted_parameter *noted = ARENA_NEW(a->arena, struct noted_parameter);
	noted->number = (uint16_t)number;
	noted->next = a->parameters;
	a->parameters = noted;
	a->parameter_count++;
}

static struct written_name written_name_of(const struct string_name *name)
{
	return (struct written_name){ name->count == 3 ? name->parts[0] : NULL,
				      name->count >= 2 ? name->parts[name->count - 2] : NULL,
				      name->parts[name->count - 1] };
}

/* Who reads the name. */
struct reader {
	enum spelled spelled;
	enum columns_fate fate;
	bool null_if_retired; /* to_regclass answers NULL for a name that is not there */
	bool leave_retired;   /* to the server, which refuses it */
	size_t offset;	      /* of the literal */
};

enum named { NAMED_NOTHING, NAMED_SAME, NAMED_OTHERWISE, NAMED_NULL };

/* What one name has become, if it is one of the map. */
static enum named name_now(struct analysis *a, struct slice value, const struct reader *reader, struct buf *out)
{
	struct string_name name;
	bool type = reader->spelled == SPELLED_TYPE || reader->spelled == SPELLED_SIGNATURE;
	if (!split_name(value, &name) || name.count == 0 ||
	    (type && name.count == 1 && walk_is_builtin_type(name.parts[0])))
		return NAMED_NOTHING;
	struct resolved resolved = resolve_relation(a, written_name_of(&name), false, reader->offset);
	if (!resolved.name)
		return NAMED_NOTHING;
	bool retired = resolve_is_retired(resolved.name);
	if (retired && (reader->null_if_retired || reader->leave_retired)) {
		analysis_use(a, resolved.name, USE_SELECT, reader->null_if_retired ? USE_REWRITTEN : 0);
		return reader->null_if_retired ? NAMED_NULL : NAMED_SAME;
	}
	if (resolve_settle(a, resolved, USE_SELECT, reader->fate, reader->offset) != VERDICT_CHANGE)
		return NAMED_SAME;
	rel_name_append(out, resolved.name->physical);
	if (name.row_array)
		buf_append_str(out, "[]");
	return NAMED_OTHERWISE;
}

/* ---- arrays of names ---- */

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The element of an array's text that begins at `at`, decoded; where it ends. */
static size_t read_element(struct slice text, size_t at, struct buf *element)
{
	bool quoted = text.data[at] == '"';
	size_t solid = 0; /* up to the last byte that is not white space */
	buf_clear(element);
	for (at += quoted; at < text.len; at++) {
		char c = text.data[at];
		if (quoted ? c == '"' : c == ',' || c == '}' || c == '{')
			break;
		bool escaped = c == '\\' && at + 1 < text.len;
		if (escaped)
			c = text.data[++at];
		buf_append_byte(element, (uint8_t)c);
		if (escaped || quoted || !is_blank(c))
			solid = element->len;
	}
	element->len = solid;
	return quoted && at < text.len ? at + 1 : at;
}

static void append_element(struct buf *out, struct slice value)
{
	buf_append_byte(out, '"');
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] == '"' || value.data[i] == '\\')
			buf_append_byte(out, '\\');
		buf_append_byte(out, (uint8_t)value.data[i]);
	}
	buf_append_byte(out, '"');
}

/* Where the elements begin, behind white space and bounds ("[1:2]="); the length when it is no array. */
static size_t array_start(struct slice value)
{
	size_t at = 0;
	while (at < value.len && is_blank(value.data[at]))
		at++;
	const char *equals = at < value.len && value.data[at] == '[' ? memchr(value.data, '=', value.len) : NULL;
	for (at = equals ? (size_t)(equals - value.data) + 1 : at; at < value.len && is_blank(value.data[at]); at++)
		;
	return at < value.len && value.data[at] == '{' ? at : value.len;
}

/* One step through an array's text: a mark, or an element, of which text_out gets the new spelling. */
static size_t array_step(struct analysis *a, struct slice value, size_t at, const struct reader *reader,
			 struct buf *out, enum named *named_out)
{
	char c = value.data[at];
	if (c == '{' || c == '}' || c == ',' || is_blank(c)) {
		buf_append_byte(out, (uint8_t)c);
		return at + 1;
	}
	struct buf element, name;
	buf_init(&element);
	buf_init(&name);
	size_t end = read_element(value, at, &element);
	enum named named = name_now(a, buf_slice(&element), reader, &name);
	if (named == NAMED_OTHERWISE)
		append_element(out, buf_slice(&name));
	else
		buf_append(out, value.data + at, end - at);
	*named_out = named > *named_out ? named : *named_out;
	buf_deinit(&element);
	buf_deinit(&name);
	return end;
}

static bool braces_match(struct slice value, size_t at)
{
	int depth = 0;
	bool quoted = false;
	for (; at < value.len; at++) {
		char c = value.data[at];
		if (c == '\\')
			at++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted)
			depth += c == '{' ? 1 : c == '}' ? -1 : 0;
	}
	return depth == 0 && !quoted && at == value.len;
}

/* '{public.prices, "public.stocks"}': each element that has another name now is replaced. What the server
 * will not take as an array stays as it is, for its error quotes it. */
static enum named names_now(struct analysis *a, struct slice value, const struct reader *reader, struct buf *out)
{
	enum named named = NAMED_NOTHING;
	size_t at = array_start(value);
	if (at == value.len || !braces_match(value, at))
		return NAMED_NOTHING;
	buf_append(out, value.data, at);
	while (at < value.len)
		at = array_step(a, value, at, reader, out, &named);
	return named;
}

static bool is_array(struct slice value)
{
	return array_start(value) < value.len;
}

/* ---- signatures ---- */

static bool is_one_of(struct slice value, const struct token_list *tokens, size_t i, const char *marks)
{
	return i < tokens->count && tokens->items[i].len == 1 && strchr(marks, value.data[tokens->items[i].offset]);
}

/* The last token of the dotted name that begins at first. */
static size_t dotted_last(struct slice value, const struct token_list *tokens, size_t first)
{
	size_t last = first;
	while (is_one_of(value, tokens, last + 1, ".") && last + 2 < tokens->count &&
	       token_is_identifier(&tokens->items[last + 2]))
		last += 2;
	return last;
}

static enum named types_now(struct analysis *a, struct slice value, const struct token_list *tokens,
			    const struct reader *reader, struct buf *out)
{
	enum named all = NAMED_NOTHING;
	struct buf name;
	size_t copied = 0;
	buf_init(&name);
	for (size_t i = 1; i < tokens->count; i++) {
		if (!is_one_of(value, tokens, i - 1, "(,") || !token_is_identifier(&tokens->items[i]))
			continue;
		size_t last = dotted_last(value, tokens, i);
		size_t start = tokens->items[i].offset, end = tokens->items[last].offset + tokens->items[last].len;
		if (!is_one_of(value, tokens, last + 1, ",)["))
			continue;
		buf_clear(&name);
		enum named one = name_now(a, slice_of(value.data + start, end - start), reader, &name);
		all = one > all ? one : all;
		if (one != NAMED_OTHERWISE)
			continue;
		buf_append(out, value.data + copied, start - copied);
		buf_append_slice(out, buf_slice(&name));
		copied = end;
	}
	buf_append(out, value.data + copied, value.len - copied);
	buf_deinit(&name);
	return all;
}

/* 'f(public.prices, text)': regprocedure and its kin. */
static enum named signature_now(struct analysis *a, struct slice value, const struct reader *reader, struct buf *out)
{
	struct token_list tokens;
	token_list_init(&tokens);
	lexer_run(value, true, &tokens);
	enum named named = tokens.status == LEXER_OK ? types_now(a, value, &tokens, reader, out) : NAMED_NOTHING;
	token_list_deinit(&tokens);
	return named;
}

static enum named value_now(struct analysis *a, struct slice value, const struct reader *reader, struct buf *out)
{
	switch (reader->spelled) {
	case SPELLED_ARRAY:
		return names_now(a, value, reader, out);
	case SPELLED_SIGNATURE:
		return signature_now(a, value, reader, out);
	default:
		return name_now(a, value, reader, out);
	}
}

/* A parameter's value tells by itself what it is: the marks of the others are no part of a plain name. */
bool strings_value(struct analysis *a, struct slice value, struct buf *out)
{
	struct reader reader = { .fate = COLUMNS_UNNAMED, .leave_retired = true };
	size_t before = out->len;
	enum named named = name_now(a, value, &reader, out);
	if (named == NAMED_NOTHING) {
		reader.spelled = is_array(value) ? SPELLED_ARRAY : SPELLED_SIGNATURE;
		named = value_now(a, value, &reader, out);
	}
	if (named != NAMED_OTHERWISE)
		out->len = before;
	return named != NAMED_NOTHING;
}

/* ---- literals ---- */

static void explain_literal(struct analysis *a, const struct token *literal, struct slice value, enum named named)
{
	if (!a->explaining || named == NAMED_NOTHING)
		return;
	const char *what = arena_printf(a->arena, "%.*s (read as a name)", (int)value.len, value.data);
	analysis_explain(a, literal->offset, literal->len, what, named == NAMED_SAME ? RULE_IN_PLACE : RULE_STRING);
}

static void name_in_string(struct analysis *a, const PgQuery__Node *argument, struct reader reader)
{
	const PgQuery__AConst *constant = tree_string_constant(argument);
	struct buf text;
	note_parameter(a, tree_parameter(argument));
	const struct token *literal = constant ? literal_of(a, constant) : NULL;
	if (!literal)
		return;
	struct slice value = slice_str(constant->sval->sval);
	reader.offset = literal->offset;
	buf_init(&text);
	enum named named = value_now(a, value, &reader, &text);
	if (named == NAMED_OTHERWISE)
		splice_add(a->splices, literal->offset, literal->len, as_literal(a, buf_slice(&text)));
	else if (named == NAMED_NULL)
		splice_add(a->splices, literal->offset, literal->len, slice_str("NULL"));
	explain_literal(a, literal, value, named);
	buf_deinit(&text);
}

static bool is_system_function(const PgQuery__FuncCall *call)
{
	const char *schema = call->n_funcname == 2 ? tree_string(call->funcname[0]) : NULL;
	return call->n_funcname == 1 || (schema && strcmp(schema, "pg_catalog") == 0);
}

/* Functions that also take a column's name, or tell the columns. */
static bool reads_columns(const char *function)
{
	static const char *const names[] = { "pg_get_serial_sequence", "has_column_privilege", "table_to_xml",
					     "table_to_xmlschema", "table_to_xml_and_xmlschema" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], function) == 0)
			return true;
	}
	return false;
}

/* The name of a column, as it is in the table that holds the rows; false: that cannot be told. */
static bool column_in_string(struct analysis *a, const struct shape *shape, const PgQuery__Node *argument)
{
	const PgQuery__AConst *constant = tree_string_constant(argument);
	const struct token *literal = constant ? literal_of(a, constant) : NULL;
	const struct shape_column *column = literal ? shape_written_column(shape, constant->sval->sval) : NULL;
	if (!column) /* the server says so, unless it would find another one */
		return literal && shape->known && !shape_physical_column(shape, constant->sval->sval);
	if (column->from != SHAPE_COLUMN)
		return false;
	if (strcmp(column->column, column->name) != 0)
		splice_add(a->splices, literal->offset, literal->len, as_literal(a, slice_str(column->column)));
	return true;
}

/* Of a function that takes a table and a column: does the column follow the table? */
static bool column_follows(struct analysis *a, const PgQuery__Node *table, const PgQuery__Node *column)
{
	const PgQuery__AConst *constant = tree_string_constant(table);
	const struct token *literal = constant ? literal_of(a, constant) : NULL;
	struct string_name name;
	if (!literal || !split_name(slice_str(constant->sval->sval), &name) || name.count == 0)
		return false;
	const struct ruleset_name *found = resolve_relation(a, written_name_of(&name), false, literal->offset).name;
	return found && found->kind == NAME_TABLE && found->entry->shape && !resolve_is_retired(found) &&
	       !rel_name_eq(found->written, found->physical) && column_in_string(a, found->entry->shape, column);
}

/* Where the column's name stands; the number of arguments: there is none. */
static size_t column_place(const char *function, size_t count)
{
	size_t place = strcmp(function, "pg_get_serial_sequence") == 0 ? 1 :
		       strcmp(function, "has_column_privilege") == 0   ? count - 2 :
									  count;
	return place < count ? place : count;
}

/* What strings of the type are. */
static bool spelled_by(const char *type, enum spelled *spelled_out)
{
	static const struct {
		const char *name;
		enum spelled spelled;
	} types[] = { { "regclass", SPELLED_NAME },
		      { "regtype", SPELLED_TYPE },
		      { "regprocedure", SPELLED_SIGNATURE },
		      { "regoperator", SPELLED_SIGNATURE } };
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(type, types[i].name) != 0)
			continue;
		*spelled_out = types[i].spelled;
		return true;
	}
	return false;
}

static bool spelled_by_type(const PgQuery__TypeName *type, enum spelled *spelled_out)
{
	return type && spelled_by(tree_last_string(type->names, type->n_names), spelled_out);
}

/* regclass('public.prices') is a cast. */
static bool is_cast(const PgQuery__FuncCall *call, enum spelled *spelled_out)
{
	return call->n_args == 1 && is_system_function(call) &&
	       spelled_by(tree_last_string(call->funcname, call->n_funcname), spelled_out);
}

static enum columns_fate fate_of_columns(struct analysis *a, const char *function, const PgQuery__FuncCall *call,
					 size_t table)
{
	size_t column = column_place(function, call->n_args);
	bool follows = column < call->n_args && column_follows(a, call->args[table], call->args[column]);
	return reads_columns(function) && !follows ? COLUMNS_NAMED : COLUMNS_UNNAMED;
}

void strings_call(struct analysis *a, const PgQuery__FuncCall *call)
{
	if (call->n_args == 0)
		return;
	const char *function = tree_last_string(call->funcname, call->n_funcname);
	struct reader reader = { .fate = COLUMNS_UNNAMED };
	if (is_cast(call, &reader.spelled))
		name_in_string(a, call->args[0], reader);
	for (size_t i = 0; i < sizeof(name_readers) / sizeof(name_readers[0]); i++) {
		if (strcmp(name_readers[i].function, function) != 0)
			continue;
		int place = name_readers[i].place < 0 ? (int)call->n_args + name_readers[i].place
						      : name_readers[i].place;
		/* Others' functions of these names are not known; extensions live in any schema. */
		if (place >= 0 && place < (int)call->n_args && (is_system_function(call) || function[0] == 'p'))
			name_in_string(a, call->args[place],
				       (struct reader){ .spelled = name_readers[i].spelled,
							.fate = fate_of_columns(a, function, call, (size_t)place),
							.null_if_retired = strncmp(function, "to_reg", 6) == 0 });
		return;
	}
}

/* ARRAY['public.prices', …]::regclass[] casts each of its elements. */
static void elements_of_array(struct analysis *a, const PgQuery__Node *argument, struct reader reader)
{
	const PgQuery__AArrayExpr *array = argument->a_array_expr;
	for (size_t i = 0; i < array->n_elements; i++) {
		if (array->elements[i]->node_case == PG_QUERY__NODE__NODE_A_ARRAY_EXPR)
			elements_of_array(a, array->elements[i], reader);
		else
			name_in_string(a, array->elements[i], reader);
	}
}

void strings_cast(struct analysis *a, const PgQuery__TypeCast *cast)
{
	struct reader reader = { .fate = COLUMNS_UNNAMED };
	if (!cast->arg || !spelled_by_type(cast->type_name, &reader.spelled))
		return;
	if (cast->type_name->n_array_bounds == 0) {
		name_in_string(a, cast->arg, reader);
	} else if (cast->arg->node_case == PG_QUERY__NODE__NODE_A_ARRAY_EXPR) {
		elements_of_array(a, cast->arg, reader);
	} else if (reader.spelled == SPELLED_NAME || reader.spelled == SPELLED_TYPE) {
		reader.spelled = SPELLED_ARRAY;
		name_in_string(a, cast->arg, reader);
	}
}

/* ---- strings beside such a value ---- */

static bool is_value_of(const PgQuery__Node *node, enum spelled *spelled_out)
{
	if (!node)
		return false;
	if (node->node_case == PG_QUERY__NODE__NODE_TYPE_CAST)
		return node->type_cast->type_name && node->type_cast->type_name->n_array_bounds == 0 &&
		       spelled_by_type(node->type_cast->type_name, spelled_out);
	if (node->node_case != PG_QUERY__NODE__NODE_FUNC_CALL || !is_system_function(node->func_call))
		return false;
	const char *function = tree_last_string(node->func_call->funcname, node->func_call->n_funcname);
	return is_cast(node->func_call, spelled_out) ||
	       (strncmp(function, "to_", 3) == 0 && spelled_by(function + 3, spelled_out));
}

/* A literal takes the type of what it is compared with: conrelid::regclass = 'public.prices'. */
static void taken_as(struct analysis *a, const PgQuery__Node *node, struct reader reader, bool array)
{
	if (!node)
		return;
	if (node->node_case == PG_QUERY__NODE__NODE_LIST) {
		for (size_t i = 0; i < node->list->n_items; i++)
			taken_as(a, node->list->items[i], reader, array);
	} else if (array && node->node_case == PG_QUERY__NODE__NODE_A_ARRAY_EXPR) {
		elements_of_array(a, node, reader);
	} else if (!array || reader.spelled == SPELLED_NAME || reader.spelled == SPELLED_TYPE) {
		reader.spelled = array ? SPELLED_ARRAY : reader.spelled;
		name_in_string(a, node, reader);
	}
}

static bool is_comparison(const PgQuery__AExpr *expr)
{
	const char *operator = tree_last_string(expr->name, expr->n_name);
	return strspn(operator, "=<>!") == strlen(operator);
}

void strings_compare(struct analysis *a, const PgQuery__AExpr *expr)
{
	struct reader reader = { .fate = COLUMNS_UNNAMED };
	bool array = expr->kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY ||
		     expr->kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL;
	if (!is_comparison(expr))
		return;
	if (is_value_of(expr->lexpr, &reader.spelled))
		taken_as(a, expr->rexpr, reader, array);
	else if (is_value_of(expr->rexpr, &reader.spelled))
		taken_as(a, expr->lexpr, reader, false);
}

/* coalesce(to_regclass('retired'), 'public.prices') */
void strings_alternatives(struct analysis *a, PgQuery__Node *const *values, size_t count)
{
	struct reader reader = { .fate = COLUMNS_UNNAMED };
	bool found = false;
	for (size_t i = 0; i < count && !found; i++)
		found = is_value_of(values[i], &reader.spelled);
	for (size_t i = 0; i < count && found; i++)
		taken_as(a, values[i], reader, false);
}

/* ---- prepared statements in SQL ---- */

/* The numbers of the parameters that the statement reads as names: what EFFECT_PREPARE tells the session. */
static const char *numbers_of(struct analysis *a, const struct noted_parameter *parameters)
{
	struct buf text;
	buf_init(&text);
	for (const struct noted_parameter *noted = parameters; noted; noted = noted->next)
		buf_printf(&text, "%s%u", text.len ? " " : "", noted->number);
	const char *copy = text.len ? arena_copy(a->arena, text.data, text.len) : NULL;
	buf_deinit(&text);
	return copy;
}

/* The whole statement, to be prepared anew one day. */
static const char *as_written(struct analysis *a)
{
	const struct token *first = &a->tokens->items[a->first], *last = &a->tokens->items[a->end - 1];
	return arena_copy(a->arena, a->text.data + first->offset, last->offset + last->len - first->offset);
}

/* They get their values from EXECUTE, not from a Bind. */
void strings_prepare(struct analysis *a, const PgQuery__PrepareStmt *prepare)
{
	struct noted_parameter *outer = a->parameters;
	uint8_t *outer_bits = a->parameter_bits;
	size_t outer_count = a->parameter_count;
	a->parameters = NULL;
	a->parameter_bits = NULL;
	for (size_t i = 0; i < prepare->n_argtypes; i++) {
		enum spelled spelled;
		if (prepare->argtypes[i]->node_case == PG_QUERY__NODE__NODE_TYPE_NAME &&
		    spelled_by_type(prepare->argtypes[i]->type_name, &spelled))
			note_parameter(a, (int)i + 1);
	}
	walk_nodes(a, prepare->argtypes, prepare->n_argtypes);
	walk_node(a, prepare->query);
	analysis_effect(a, (struct effect){ .kind = EFFECT_PREPARE,
					    .name = prepare->name,
					    .value = numbers_of(a, a->parameters),
					    .begins_text = a->tokens->items[a->first].offset == 0,
					    .text = as_written(a) });
	a->parameters = outer;
	a->parameter_bits = outer_bits;
	a->parameter_count = outer_count;
}

static void value_of_execute(struct analysis *a, const PgQuery__Node *value)
{
	struct reader reader = { .fate = COLUMNS_UNNAMED };
	const PgQuery__AConst *constant = tree_string_constant(value);
	struct slice text = slice_str(constant ? constant->sval->sval : "");
	reader.spelled = is_array(text)			   ? SPELLED_ARRAY :
			 memchr(text.data, '(', text.len) ? SPELLED_SIGNATURE :
							    SPELLED_NAME;
	name_in_string(a, value, reader);
}

void strings_execute(struct analysis *a, const PgQuery__ExecuteStmt *execute)
{
	const char *numbers = session_state_prepared_names(a->state, execute->name);
	walk_nodes(a, execute->params, execute->n_params);
	while (numbers && *numbers) {
		char *end;
		unsigned long number = strtoul(numbers, &end, 10);
		if (number >= 1 && number <= execute->n_params)
			value_of_execute(a, execute->params[number - 1]);
		numbers = *end ? end + 1 : end;
	}
}
