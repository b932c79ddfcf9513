#include "rewrite/unparsed.h"

#include "rewrite/resolve.h"
#include "rewrite/walk.h"
#include "rewrite/words.h"

struct unparsed_scan {
	struct analysis *a;
	enum use_kind kind;
	const struct ruleset_name *found;
	size_t found_at;
};

static enum use_kind kind_of(struct slice text, const struct token *first)
{
	static const struct {
		const char *word;
		enum use_kind kind;
	} kinds[] = { { "insert", USE_INSERT },	 { "update", USE_UPDATE },   { "delete", USE_DELETE },
		      { "merge", USE_MERGE },	 { "copy", USE_COPY_OUT },   { "truncate", USE_TRUNCATE },
		      { "create", USE_DDL },	 { "alter", USE_DDL },	     { "drop", USE_DDL },
		      { "comment", USE_DDL },	 { "vacuum", USE_MAINTENANCE }, { "analyze", USE_MAINTENANCE },
		      { "reindex", USE_MAINTENANCE }, { "lock", USE_LOCK } };
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (token_is_word(text, first, kinds[i].word))
			return kinds[i].kind;
	}
	return USE_SELECT;
}

/* The relation that tokens[i] may name, taken by itself or with the schema before it. */
static struct resolved resolve_token(struct analysis *a, struct slice text, const struct token_list *tokens, size_t i,
				     size_t offset)
{
	char name[NAME_MAX_BYTES + 1], schema[NAME_MAX_BYTES + 1];
	struct written_name written = { .name = name };
	size_t len = token_identifier(text, &tokens->items[i], name);
	if (!ruleset_mentions(a->ruleset, name, len))
		return (struct resolved){ 0 };
	if (i >= 2 && token_is(text, &tokens->items[i - 1], ".") && token_is_identifier(&tokens->items[i - 2])) {
		token_identifier(text, &tokens->items[i - 2], schema);
		written.schema = schema;
	}
	return resolve_relation(a, written, false, offset);
}

static void scan_tokens(struct unparsed_scan *scan, struct slice text, const struct token_list *tokens, size_t base)
{
	struct analysis *a = scan->a;
	for (size_t i = 0; i < tokens->count; i++) {
		if (!token_is_identifier(&tokens->items[i]))
			continue;
		size_t offset = base + tokens->items[i].offset;
		struct resolved resolved = resolve_token(a, text, tokens, i, offset);
		if (!resolved.name)
			continue;
		bool changes = resolved.qualify || resolve_is_retired(resolved.name) ||
			       !rel_name_eq(resolved.name->written, resolved.name->physical);
		analysis_use(a, resolved.name, scan->kind, USE_UNPARSED);
		if (text.data == a->text.data)
			analysis_explain(a, offset, tokens->items[i].len,
					 resolve_spelled(a->arena, resolved.name->written).data, RULE_UNPARSED);
		if (changes && !scan->found) {
			scan->found = resolved.name;
			scan->found_at = offset;
		}
	}
}

/* Strings count when something in the text reads names from strings. */
static void scan_strings(struct unparsed_scan *scan)
{
	struct analysis *a = scan->a;
	struct token_list inner;
	token_list_init(&inner);
	for (size_t i = 0; i < a->tokens->count; i++) {
		const struct token *token = &a->tokens->items[i];
		struct slice value;
		if (!token_is_literal(token) || !token_string(a->arena, a->text, token, &value))
			continue;
		lexer_run(value, true, &inner);
		size_t uses_at = token->offset;
		struct unparsed_scan in_string = { a, scan->kind, scan->found, scan->found_at };
		scan_tokens(&in_string, value, &inner, 0);
		if (in_string.found && !scan->found) {
			scan->found = in_string.found;
			scan->found_at = uses_at;
		}
	}
	token_list_deinit(&inner);
}

static bool reads_names(const struct analysis *a)
{
	for (size_t i = 0; i < a->tokens->count; i++) {
		if (word_flags(a->text, &a->tokens->items[i]) & WORD_READS_NAMES)
			return true;
	}
	return false;
}

const struct ruleset_name *unparsed_scan(struct analysis *a, const struct session_state *state, size_t *offset_out)
{
	a->state = state;
	a->first = 0;
	a->end = a->tokens->count;
	a->uses_tail = &a->uses;
	a->effects_tail = &a->effects;
	if (a->tokens->count == 0)
		return NULL;
	struct unparsed_scan scan = { .a = a, .kind = kind_of(a->text, &a->tokens->items[0]) };
	scan_tokens(&scan, a->text, a->tokens, 0);
	if (reads_names(a))
		scan_strings(&scan);
	if (scan.found)
		*offset_out = scan.found_at;
	return scan.found;
}

static bool calls_code(const struct analysis *a, size_t i)
{
	char name[NAME_MAX_BYTES + 1];
	if (i + 1 >= a->tokens->count || !token_is(a->text, &a->tokens->items[i + 1], "("))
		return false;
	token_identifier(a->text, &a->tokens->items[i], name);
	return facts_code_flags(a->ruleset->facts, name) & FACT_CODE_SESSION;
}

void unparsed_effects(struct analysis *a)
{
	bool starts = true;
	for (size_t i = 0; i < a->tokens->count; i++) {
		const struct token *token = &a->tokens->items[i];
		if (token_is_identifier(token)) {
			unsigned flags = word_flags(a->text, token);
			if ((flags & (WORD_SETTER | WORD_TEMP)) || (starts && (flags & WORD_EFFECT)) || calls_code(a, i))
				effects_unknown(a);
		}
		starts = token_is(a->text, token, ";");
	}
}
