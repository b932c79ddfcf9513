#include "check/bodies.h"

#include "base/buf.h"
#include "check/plpgsql.h"
#include "rewrite/rewriter.h"

#include <strings.h>

enum how { HOW_PLAIN, HOW_DYNAMIC, HOW_PIECED, HOW_TYPE, HOW_UNPARSED };

/* What was said about this function already. */
struct said {
	const struct ruleset_entry *entry;
	enum side side;
};

struct bodies {
	const struct ruleset *ruleset;
	struct findings *findings;
	struct rewriter *rewriter;
	struct arena arena; /* of one function */
	const struct dependent_code *code;
	struct session_state *state;
	struct said *said;
	size_t said_count, said_capacity;
	bool pieced; /* a name put together at run time was said */
};

static unsigned line_of(const struct bodies *b, size_t offset)
{
	unsigned line = 1;
	for (size_t i = 0; i < offset && b->code->text[i]; i++)
		line += b->code->text[i] == '\n';
	/* The line break behind AS $$ is nobody's first line. */
	return line;
}

static bool is_new(struct bodies *b, const struct ruleset_entry *entry, enum side side)
{
	for (size_t i = 0; i < b->said_count; i++) {
		if (b->said[i].entry == entry && b->said[i].side == side)
			return false;
	}
	if (b->said_count == b->said_capacity) {
		struct said *before = b->said;
		b->said_capacity = b->said_capacity ? b->said_capacity * 2 : 16;
		b->said = ARENA_ARRAY(&b->arena, b->said_capacity, struct said);
		if (b->said_count)
			memcpy(b->said, before, b->said_count * sizeof(*before));
	}
	b->said[b->said_count++] = (struct said){ entry, side };
	return true;
}

/* ---- what is said ---- */

static const char *print_name(struct bodies *b, const struct ruleset_entry *entry, enum side side)
{
	return rel_name_print(&b->arena, entry->names[side]);
}

static const char *how_text(enum how how)
{
	static const char *const texts[] = { "names", "names in a string that it runs", "names in a string that it runs",
					     "has a variable of the type of", "seems to name" };
	return texts[how];
}

static void hint_new_name(struct bodies *b, struct finding *finding, const struct ruleset_entry *entry)
{
	const char *new_name = print_name(b, entry, SIDE_NEW);
	if (entry->kind == MAP_TRANSFORM)
		finding_hint(b->findings, finding,
			     "Code in the server is not rewritten: write a version of it for %s, and switch with the "
			     "table.", new_name);
	else
		finding_hint(b->findings, finding,
			     "Code in the server is not rewritten: a view under the old name keeps it working (a "
			     "cutover makes one) until %s is written there.", new_name);
}

static void say_old(struct bodies *b, const struct ruleset_entry *entry, enum how how, unsigned line)
{
	const char *key = entry->key, *object = b->code->object;
	bool moved = entry->physical == SIDE_NEW;
	const struct fact_relation *there = entry->relation[SIDE_OLD];
	if (entry->kind == MAP_IDENTITY)
		return;
	if (entry->kind == MAP_DROPPED) {
		struct finding *note = findings_add(b->findings, FINDING_NOTE, key, b->code->kind, object,
						    "%s %s %s %s (line %u), which has no new side", b->code->kind, object,
						    how_text(how), key, line);
		finding_hint(b->findings, note, "It goes on working as long as the table is there.");
		return;
	}
	if (moved && there && there->kind == FACT_VIEW) {
		struct finding *note = findings_add(b->findings, FINDING_NOTE, key, b->code->kind, object,
						    "%s %s %s %s (line %u), which is a view now", b->code->kind, object,
						    how_text(how), key, line);
		finding_hint(b->findings, note, "Write %s there before the view goes.", print_name(b, entry, SIDE_NEW));
		return;
	}
	struct finding *finding =
		findings_add(b->findings, FINDING_WARNING, key, b->code->kind, object, "%s %s %s %s (line %u), %s",
			     b->code->kind, object, how_text(how), key, line,
			     moved ? "whose rows are on the new side" : "which moves");
	hint_new_name(b, finding, entry);
}

/* Code that is ahead of the schema. */
static void say_new(struct bodies *b, const struct ruleset_entry *entry, enum how how, unsigned line)
{
	if (entry->kind == MAP_IDENTITY || entry->physical == SIDE_NEW || entry->relation[SIDE_NEW])
		return;
	struct finding *note = findings_add(b->findings, FINDING_NOTE, entry->key, b->code->kind, b->code->object,
					    "%s %s %s %s (line %u), which is not there yet", b->code->kind,
					    b->code->object, how_text(how), print_name(b, entry, SIDE_NEW), line);
	finding_hint(b->findings, note, "It fails until the table has moved: code in the server is not rewritten.");
}

static void say(struct bodies *b, const struct ruleset_entry *entry, enum side side, enum how how, size_t offset)
{
	if (!is_new(b, entry, side))
		return;
	if (side == SIDE_OLD)
		say_old(b, entry, how, line_of(b, offset));
	else
		say_new(b, entry, how, line_of(b, offset));
}

/* ---- pieces of SQL ---- */

static void say_uses(struct bodies *b, const struct statement_shape *shape, enum how how, size_t offset)
{
	for (size_t i = 0; shape && i < shape->use_count; i++) {
		const struct use *use = &shape->uses[i];
		enum how seen = use->flags & USE_UNPARSED ? HOW_UNPARSED : use->kind == USE_OPAQUE ? HOW_DYNAMIC : how;
		if (use->entry < b->ruleset->entry_count)
			say(b, &b->ruleset->entries[use->entry], (enum side)use->side, seen, offset);
	}
}

static void run_sql(struct bodies *b, struct slice sql, enum how how, size_t offset)
{
	struct rewrite *rewrite = rewriter_run(b->rewriter, sql, REWRITE_SIMPLE, b->state, b->ruleset);
	for (size_t i = 0; i < rewrite->statement_count; i++) {
		const struct rewrite_statement *statement = &rewrite->statements[i];
		say_uses(b, statement->shape, how, offset);
		for (size_t k = 0; k < statement->effect_count; k++) {
			if (statement->effects[k].kind != EFFECT_PREPARE)
				session_state_apply(b->state, &statement->effects[k]);
		}
	}
	rewrite_unref(rewrite);
}

static void run_expression(struct bodies *b, struct slice text, enum how how, size_t offset)
{
	struct buf sql;
	buf_init(&sql);
	buf_append_str(&sql, "SELECT ");
	buf_append_slice(&sql, text);
	run_sql(b, buf_slice(&sql), how, offset);
	buf_deinit(&sql);
}

/* public.crossfade_unknown: the schema of some table that moves? */
static const struct ruleset_entry *entry_of_schema(const struct bodies *b, const char *schema)
{
	for (size_t i = 0; i < b->ruleset->entry_count; i++) {
		const struct ruleset_entry *entry = &b->ruleset->entries[i];
		bool moves = entry->kind == MAP_MOVE || entry->kind == MAP_TRANSFORM;
		if (moves && strcmp(entry->names[SIDE_OLD].schema, schema) == 0)
			return entry;
	}
	return NULL;
}

static bool is_unknown(struct slice sql, const struct token *token)
{
	char name[NAME_MAX_BYTES + 1];
	if (!token_is_identifier(token))
		return false;
	token_identifier(sql, token, name);
	return strstr(name, PLPGSQL_UNKNOWN) != NULL;
}

static void say_pieced(struct bodies *b, const char *schema, size_t offset)
{
	if (b->pieced)
		return;
	b->pieced = true;
	struct finding *finding =
		findings_add(b->findings, FINDING_WARNING, NULL, b->code->kind, b->code->object,
			     "%s %s puts the name of a table in schema %s together when it runs (line %u)", b->code->kind,
			     b->code->object, schema, line_of(b, offset));
	finding_hint(b->findings, finding, "Look whether it can be a table that moves; nobody can tell from the text.");
}

static void find_pieced(struct bodies *b, struct slice sql, size_t offset)
{
	struct token_list tokens;
	char schema[NAME_MAX_BYTES + 1];
	token_list_init(&tokens);
	lexer_run(sql, true, &tokens);
	for (size_t i = 2; i < tokens.count; i++) {
		if (!token_is(sql, &tokens.items[i - 1], ".") || !is_unknown(sql, &tokens.items[i]) ||
		    !token_is_identifier(&tokens.items[i - 2]))
			continue;
		token_identifier(sql, &tokens.items[i - 2], schema);
		if (entry_of_schema(b, schema))
			say_pieced(b, schema, offset);
	}
	token_list_deinit(&tokens);
}

static void run_dynamic(struct bodies *b, struct slice expression, size_t offset)
{
	struct slice sql = plpgsql_dynamic(&b->arena, expression);
	run_sql(b, sql, HOW_DYNAMIC, offset);
	find_pieced(b, sql, offset);
}

/* sql := 'SELECT …': maybe run later. */
static bool looks_like_sql(struct slice text)
{
	static const char *const words[] = { "select ", "insert ", "update ", "delete ", "with ", "merge ", "truncate ",
					     "copy ", "create ", "alter ", "drop ", "lock ", "from " };
	size_t at = 0;
	while (at < text.len && strchr(" \t\r\n(", text.data[at]))
		at++;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t len = strlen(words[i]);
		if (text.len - at > len && strncasecmp(text.data + at, words[i], len) == 0)
			return true;
	}
	return false;
}

static void run_value(struct bodies *b, struct slice expression, size_t offset)
{
	run_expression(b, expression, HOW_PLAIN, offset);
	if (!memchr(expression.data, '\'', expression.len) && !memchr(expression.data, '$', expression.len))
		return;
	struct slice sql = plpgsql_dynamic(&b->arena, expression);
	if (looks_like_sql(sql)) {
		run_sql(b, sql, HOW_DYNAMIC, offset);
		find_pieced(b, sql, offset);
	}
}

/* public.prices, public.prices%ROWTYPE, public.prices.code%TYPE */
static void look_at_type(struct bodies *b, const struct plpgsql_piece *piece)
{
	struct slice text = piece->text;
	const char *percent = memchr(text.data, '%', text.len);
	struct token_list tokens;
	size_t parts = 0;
	token_list_init(&tokens);
	lexer_run(slice_of(text.data, percent ? (size_t)(percent - text.data) : text.len), true, &tokens);
	while (parts < tokens.count && token_is_identifier(&tokens.items[parts]))
		parts += 2;
	bool is_column = percent && strncasecmp(percent + 1, "type", 4) == 0;
	size_t last = parts >= 2 ? parts - 2 : 0;
	if (is_column && last >= 2)
		last -= 2;
	if (tokens.count && parts >= 2 && (!is_column || parts >= 4)) {
		struct slice name = slice_of(text.data, tokens.items[last].offset + tokens.items[last].len);
		struct buf sql;
		buf_init(&sql);
		buf_append_str(&sql, "SELECT 1 FROM ");
		buf_append_slice(&sql, name);
		run_sql(b, buf_slice(&sql), HOW_TYPE, piece->offset);
		buf_deinit(&sql);
	}
	token_list_deinit(&tokens);
}

static void on_piece(void *context, const struct plpgsql_piece *piece)
{
	struct bodies *b = context;
	switch (piece->kind) {
	case PLPGSQL_STATEMENT:
		run_sql(b, piece->text, HOW_PLAIN, piece->offset);
		break;
	case PLPGSQL_EXPRESSION:
		run_value(b, piece->text, piece->offset);
		break;
	case PLPGSQL_DYNAMIC:
		run_expression(b, piece->text, HOW_PLAIN, piece->offset);
		run_dynamic(b, piece->text, piece->offset);
		break;
	case PLPGSQL_TYPE:
		look_at_type(b, piece);
		break;
	}
}

/* ---- one function ---- */

/* A language we cannot read: its words, strings included; only names with their schema. */
static void scan(struct bodies *b, struct slice text, unsigned depth)
{
	struct token_list tokens;
	char schema[NAME_MAX_BYTES + 1], name[NAME_MAX_BYTES + 1];
	token_list_init(&tokens);
	lexer_run(text, true, &tokens);
	for (size_t i = 0; i < tokens.count; i++) {
		struct slice inner;
		if (depth < 2 && token_is_literal(&tokens.items[i]) && tokens.items[i].class != TOKEN_NUMBER &&
		    token_string(&b->arena, text, &tokens.items[i], &inner))
			scan(b, inner, depth + 1);
		if (i < 2 || !token_is(text, &tokens.items[i - 1], ".") || !token_is_identifier(&tokens.items[i]) ||
		    !token_is_identifier(&tokens.items[i - 2]))
			continue;
		token_identifier(text, &tokens.items[i - 2], schema);
		token_identifier(text, &tokens.items[i], name);
		const struct ruleset_name *found = ruleset_find(b->ruleset, schema, name);
		if (found && found->kind == NAME_TABLE)
			say(b, found->entry, found->side, HOW_UNPARSED, depth ? 0 : tokens.items[i].offset);
	}
	token_list_deinit(&tokens);
}

/* A regclass constant is an OID and follows; a name in a plain string does not. */
static void look_at_expression(struct bodies *b, const char *text)
{
	struct buf sql;
	buf_init(&sql);
	for (const char *at = text; *at;) {
		const char *cast = strstr(at, "'::regclass");
		size_t len = cast ? (size_t)(cast - at) : strlen(at);
		buf_append(&sql, at, len);
		at += len;
		if (cast) {
			buf_append_str(&sql, "'::crossfade_oid");
			at += strlen("'::regclass");
		}
	}
	run_expression(b, buf_slice(&sql), HOW_PLAIN, 0);
	buf_deinit(&sql);
}

static void look_at(struct bodies *b)
{
	const struct dependent_code *code = b->code;
	struct slice body = slice_str(code->text);
	if (strcmp(code->language, "plpgsql") == 0)
		plpgsql_pieces(&b->arena, body, on_piece, b);
	else if (strcmp(code->language, "sql") == 0)
		run_sql(b, body, HOW_PLAIN, 0);
	else if (strcmp(code->language, "expression") == 0)
		look_at_expression(b, code->text);
	else
		scan(b, body, 0);
}

static const char *path_of(const struct bodies *b)
{
	if (b->code->search_path)
		return b->code->search_path;
	return b->ruleset->facts ? facts_default_search_path(b->ruleset->facts, b->code->owner) : "\"$user\", public";
}

void bodies_check(const struct ruleset *ruleset, const struct dependents *dependents, struct findings *findings)
{
	struct rewriter_settings settings = rewriter_settings_default();
	settings.cache_bytes = 0;
	struct bodies b = { .ruleset = ruleset, .findings = findings, .rewriter = rewriter_new(settings) };
	const char *database = ruleset->facts && ruleset->facts->database ? ruleset->facts->database : "";
	arena_init(&b.arena);
	for (size_t i = 0; i < dependents->code_count; i++) {
		arena_reset(&b.arena);
		b.code = &dependents->code[i];
		b.said = NULL;
		b.said_count = b.said_capacity = 0;
		b.pieced = false;
		b.state = session_state_new(database, b.code->owner ? b.code->owner : "", path_of(&b));
		look_at(&b);
		session_state_free(b.state);
	}
	rewriter_free(b.rewriter);
	arena_deinit(&b.arena);
}
