/* Names of relations inside strings: arguments of regclass and its kin, and bodies of code. */
#include "rewrite/tree.h"
#include "rewrite/walk.h"

/* Functions that take a relation's name; place counts arguments from the front, or from the end below 0. */
static const struct name_reader {
	const char *function;
	int place;
} name_readers[] = {
	{ "nextval", 0 },		 { "currval", 0 },
	{ "setval", 0 },		 { "to_regclass", 0 },
	{ "to_regtype", 0 },		 { "pg_get_serial_sequence", 0 },
	{ "pg_relation_size", 0 },	 { "pg_total_relation_size", 0 },
	{ "pg_table_size", 0 },		 { "pg_indexes_size", 0 },
	{ "pg_relation_filenode", 0 },	 { "pg_relation_filepath", 0 },
	{ "pg_relation_is_updatable", 0 }, { "pg_get_viewdef", 0 },
	{ "pg_sequence_last_value", 0 }, { "row_security_active", 0 },
	{ "pg_prewarm", 0 },		 { "pgstattuple", 0 },
	{ "pgstatindex", 0 },		 { "table_to_xml", 0 },
	{ "brin_summarize_new_values", 0 }, { "has_table_privilege", -2 },
	{ "has_sequence_privilege", -2 }, { "has_any_column_privilege", -2 },
	{ "has_column_privilege", -3 },
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

static struct slice as_literal(struct analysis *a, struct rel_name name, const char *suffix)
{
	struct slice spelled = resolve_spelled(a->arena, name);
	struct buf text;
	buf_init(&text);
	if (memchr(spelled.data, '\\', spelled.len))
		buf_append_byte(&text, 'E');
	buf_append_byte(&text, '\'');
	for (size_t i = 0; i < spelled.len; i++) {
		if (spelled.data[i] == '\'' || spelled.data[i] == '\\')
			buf_append_byte(&text, (uint8_t)spelled.data[i]);
		buf_append_byte(&text, (uint8_t)spelled.data[i]);
	}
	buf_append_str(&text, suffix);
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
	for (const struct noted_parameter *noted = a->parameters; noted; noted = noted->next) {
		if (noted->number == number)
			return;
	}
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

bool strings_value(struct analysis *a, struct slice value, struct buf *out, struct use *use_out)
{
	struct string_name name;
	if (!split_name(value, &name) || name.count == 0)
		return false;
	struct resolved resolved = resolve_relation(a, written_name_of(&name), false, 0);
	if (!resolved.name)
		return false;
	bool changes = !resolve_is_retired(resolved.name) &&
		       (resolved.qualify || !rel_name_eq(resolved.name->written, resolved.name->physical));
	analysis_use(a, resolved.name, USE_SELECT, changes ? USE_REWRITTEN : 0);
	*use_out = a->uses->use;
	if (changes)
		rel_name_append(out, resolved.name->physical);
	if (changes && name.row_array)
		buf_append_str(out, "[]");
	return true;
}

/* retired_is_null: to_regclass answers NULL for a name that is not there. */
static void name_in_string(struct analysis *a, const PgQuery__Node *argument, enum columns_fate fate,
			   bool retired_is_null)
{
	const PgQuery__AConst *constant = tree_string_constant(argument);
	struct string_name name;
	note_parameter(a, tree_parameter(argument));
	const struct token *literal = constant ? literal_of(a, constant) : NULL;
	if (!literal || !split_name(slice_str(constant->sval->sval), &name) || name.count == 0)
		return;
	struct resolved resolved = resolve_relation(a, written_name_of(&name), false, literal->offset);
	if (!resolved.name)
		return;
	if (retired_is_null && resolve_is_retired(resolved.name)) {
		analysis_use(a, resolved.name, USE_SELECT, USE_REWRITTEN);
		splice_add(a->splices, literal->offset, literal->len, slice_str("NULL"));
		analysis_explain(a, literal->offset, literal->len, "retired name", "NULL", "string");
		return;
	}
	enum verdict verdict = resolve_settle(a, resolved, USE_SELECT, fate, literal->offset);
	struct slice text = slice_of(NULL, 0);
	if (verdict == VERDICT_CHANGE) {
		text = as_literal(a, resolved.name->physical, name.row_array ? "[]" : "");
		splice_add(a->splices, literal->offset, literal->len, text);
	}
	analysis_explain(a, literal->offset, literal->len,
			 resolve_spelled(a->arena, resolved.name->written).data, text.data, "string");
}

static bool is_system_function(const PgQuery__FuncCall *call)
{
	const char *schema = call->n_funcname == 2 ? tree_string(call->funcname[0]) : NULL;
	return call->n_funcname == 1 || (schema && strcmp(schema, "pg_catalog") == 0);
}

/* Functions that also take a column's name, or tell the columns. */
static bool reads_columns(const char *function)
{
	static const char *const names[] = { "pg_get_serial_sequence", "has_column_privilege", "table_to_xml" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], function) == 0)
			return true;
	}
	return false;
}

void strings_call(struct analysis *a, const PgQuery__FuncCall *call)
{
	if (call->n_args == 0)
		return;
	const char *function = tree_last_string(call->funcname, call->n_funcname);
	for (size_t i = 0; i < sizeof(name_readers) / sizeof(name_readers[0]); i++) {
		if (strcmp(name_readers[i].function, function) != 0)
			continue;
		int place = name_readers[i].place < 0 ? (int)call->n_args + name_readers[i].place
						      : name_readers[i].place;
		/* Others' functions of these names are not known; extensions live in any schema. */
		if (place >= 0 && place < (int)call->n_args && (is_system_function(call) || function[0] == 'p'))
			name_in_string(a, call->args[place], reads_columns(function) ? COLUMNS_NAMED : COLUMNS_UNNAMED,
				       strncmp(function, "to_reg", 6) == 0);
		return;
	}
}

static bool is_name_type(const PgQuery__TypeName *type)
{
	const char *name = type ? tree_last_string(type->names, type->n_names) : "";
	return strcmp(name, "regclass") == 0 || strcmp(name, "regtype") == 0;
}

/* '{a, b}'::regclass[]: refused where a name in it would have to change. */
static void names_in_array(struct analysis *a, const PgQuery__Node *argument)
{
	const PgQuery__AConst *constant = tree_string_constant(argument);
	const struct token *literal = constant ? literal_of(a, constant) : NULL;
	struct token_list tokens;
	if (!literal)
		return;
	struct slice value = slice_str(constant->sval->sval);
	token_list_init(&tokens);
	lexer_run(value, true, &tokens);
	for (size_t i = 0; i < tokens.count; i++) {
		char name[NAME_MAX_BYTES + 1], schema[NAME_MAX_BYTES + 1];
		bool qualified = i >= 2 && token_is(value, &tokens.items[i - 1], ".") &&
				 token_is_identifier(&tokens.items[i - 2]);
		if (!token_is_identifier(&tokens.items[i]))
			continue;
		token_identifier(value, &tokens.items[i], name);
		if (qualified)
			token_identifier(value, &tokens.items[i - 2], schema);
		struct written_name written = { NULL, qualified ? schema : NULL, name };
		struct resolved resolved = resolve_relation(a, written, false, literal->offset);
		if (!resolved.name || resolve_settle(a, resolved, USE_SELECT, COLUMNS_UNNAMED, literal->offset) != VERDICT_CHANGE)
			continue;
		struct error *error = analysis_refuse(a, literal->offset, SQLSTATE_FEATURE_NOT_SUPPORTED,
						      "array of names holds table %s, which has moved",
						      resolve_spelled(a->arena, resolved.name->written).data);
		error_hint(error, "Write %s in it, or ARRAY[…] of single names.",
			   resolve_spelled(a->arena, resolved.name->physical).data);
	}
	token_list_deinit(&tokens);
}

void strings_cast(struct analysis *a, const PgQuery__TypeCast *cast)
{
	if (!is_name_type(cast->type_name))
		return;
	if (cast->type_name->n_array_bounds == 0)
		name_in_string(a, cast->arg, COLUMNS_UNNAMED, false);
	else
		names_in_array(a, cast->arg);
}

/* ---- bodies ---- */

static bool is_name_place(struct slice body, const struct token_list *tokens, size_t i)
{
	static const char *const before[] = { "from", "join", "update", "table", "only", "using", "copy",
					      "truncate", "lock", "exists", "analyze", "on" };
	if (i == 0)
		return false;
	/* SELECT … INTO is followed by a variable. */
	if (i >= 2 && token_is_word(body, &tokens->items[i - 1], "into"))
		return token_is_word(body, &tokens->items[i - 2], "insert") ||
		       token_is_word(body, &tokens->items[i - 2], "merge");
	for (size_t k = 0; k < sizeof(before) / sizeof(before[0]); k++) {
		if (token_is_word(body, &tokens->items[i - 1], before[k]))
			return true;
	}
	return token_is(body, &tokens->items[i - 1], ",");
}

static const struct ruleset_name *mapped_in_body(const struct analysis *a, struct slice body,
						 const struct token_list *tokens, size_t i)
{
	char name[NAME_MAX_BYTES + 1], schema[NAME_MAX_BYTES + 1];
	if (!token_is_identifier(&tokens->items[i]))
		return NULL;
	size_t len = token_identifier(body, &tokens->items[i], name);
	if (!ruleset_mentions(a->ruleset, name, len))
		return NULL;
	if (i >= 2 && token_is(body, &tokens->items[i - 1], ".") && token_is_identifier(&tokens->items[i - 2])) {
		token_identifier(body, &tokens->items[i - 2], schema);
		return ruleset_find(a->ruleset, schema, name);
	}
	const struct name_list *path = session_state_search_path(a->state);
	if (!path || !is_name_place(body, tokens, i))
		return NULL;
	return ruleset_resolve(a->ruleset, path, session_state_user(a->state), name, a->state);
}

static void refuse_opaque(struct analysis *a, const struct ruleset_name *name, size_t offset)
{
	struct error *error = analysis_refuse(a, offset, SQLSTATE_FEATURE_NOT_SUPPORTED,
					      "table %s is named inside a body of code",
					      resolve_spelled(a->arena, name->written).data);
	error_detail(error, "Code in strings is not rewritten, and \"policy: {opaque: refuse}\" is set.");
	error_hint(error, "Write %s there.", resolve_spelled(a->arena, name->physical).data);
}

/* Of several tables the first one; the ledger knows them all. */
static void warn_opaque(struct analysis *a, const struct ruleset_name *name)
{
	if (a->notice)
		return;
	a->notice = ARENA_NEW(a->arena, struct error);
	error_set(a->notice, SQLSTATE_WARNING, "table %s is named inside a body of code, which is not rewritten",
		  resolve_spelled(a->arena, name->written).data);
	if (rel_name_eq(name->written, name->physical))
		error_hint(a->notice, "The table has been retired: remove it from the code.");
	else
		error_hint(a->notice, "Its rows are in %s: write that name in the code.",
			   resolve_spelled(a->arena, name->physical).data);
}

static void scan_body(struct analysis *a, struct slice body, size_t offset)
{
	struct token_list tokens;
	token_list_init(&tokens);
	lexer_run(body, true, &tokens);
	for (size_t i = 0; i < tokens.count; i++) {
		const struct ruleset_name *name = mapped_in_body(a, body, &tokens, i);
		if (!name)
			continue;
		bool needs_change = resolve_is_retired(name) || !rel_name_eq(name->written, name->physical);
		bool refuse = needs_change && a->ruleset->policy.opaque == OPAQUE_REFUSE;
		analysis_use(a, name, USE_OPAQUE, refuse ? USE_REFUSED : 0);
		analysis_explain(a, offset, 0, resolve_spelled(a->arena, name->written).data, NULL, "opaque body");
		if (refuse)
			refuse_opaque(a, name, offset);
		else if (needs_change && a->ruleset->policy.opaque == OPAQUE_NOTICE)
			warn_opaque(a, name);
	}
	token_list_deinit(&tokens);
}

void strings_opaque(struct analysis *a)
{
	analysis_consult(a, a->tokens->count);
	for (size_t i = a->first; i < a->end; i++) {
		const struct token *token = &a->tokens->items[i];
		struct slice body;
		if (token_is_literal(token) && token->class != TOKEN_NUMBER &&
		    token_string(a->arena, a->text, token, &body))
			scan_body(a, body, token->offset);
	}
}
