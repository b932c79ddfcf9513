#include "rewrite/prefilter.h"

#include "rewrite/introspection.h"
#include "rewrite/words.h"

struct seen {
	bool name;	  /* an identifier that a mapped relation has */
	bool effect;	  /* a statement starts with a word that changes the session */
	bool reads_names; /* strings may be names */
	bool counts_names; /* names in strings are of interest */
	bool parameter;
	bool catalog;	  /* DDL that can alter what names mean */
	bool setter;
};

static bool mentions(struct slice text, const struct token *token, const struct ruleset *ruleset)
{
	char name[NAME_MAX_BYTES + 1];
	return ruleset_mentions(ruleset, name, token_identifier(text, token, name));
}

static bool literal_mentions(struct slice text, const struct token *token, const struct ruleset *ruleset,
			     struct token_list *scratch)
{
	struct slice body = token_text(text, token);
	if (token->class == TOKEN_BITS || token->class == TOKEN_NUMBER)
		return false;
	/* Escapes can spell any name. */
	if ((token->class == TOKEN_ESTRING && memchr(body.data, '\\', body.len)) || token->class == TOKEN_USTRING)
		return true;
	size_t head = 1;
	if (token->class == TOKEN_DOLLAR)
		head = (size_t)((const char *)memchr(body.data + 1, '$', body.len - 1) - body.data) + 1;
	else
		head = (size_t)((const char *)memchr(body.data, '\'', body.len) - body.data) + 1;
	size_t tail = token->class == TOKEN_DOLLAR ? head : 1;
	struct slice inside = slice_of(body.data + head, body.len - head - tail);
	/* 'pri' and 'ces' on two lines are one string. */
	if (token->class != TOKEN_DOLLAR && memchr(inside.data, '\'', inside.len))
		return true;
	lexer_run(inside, true, scratch);
	if (scratch->status != LEXER_OK)
		return true;
	return prefilter_mentions(inside, scratch, ruleset);
}

bool prefilter_mentions(struct slice text, const struct token_list *tokens, const struct ruleset *ruleset)
{
	for (size_t i = 0; i < tokens->count; i++) {
		const struct token *token = &tokens->items[i];
		if (token_is_identifier(token) && mentions(text, token, ruleset))
			return true;
	}
	return false;
}

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$';
}

static bool spells_by_number(struct slice text)
{
	return memmem(text.data, text.len, "U&\"", 3) || memmem(text.data, text.len, "u&\"", 3);
}

bool prefilter_mentions_bytes(struct slice text, const struct ruleset *ruleset)
{
	/* A name in quotes may be spelled with anything, U& included. */
	if (memchr(text.data, '"', text.len) && (ruleset->has_quoted_names || spells_by_number(text)))
		return true;
	for (size_t at = 0; at < text.len;) {
		size_t end = at;
		while (end < text.len && is_name_byte(text.data[end]))
			end++;
		/* The first byte of a run may belong to the character before it. */
		for (size_t skip = 0; skip < 2 && at + skip < end && end - at < UINT32_MAX; skip++) {
			struct token word = { .len = (uint32_t)(end - at - skip), .class = TOKEN_WORD };
			if (mentions(slice_of(text.data + at + skip, word.len), &word, ruleset))
				return true;
		}
		at = end > at ? end : at + 1;
	}
	return false;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

bool prefilter_effect_in_bytes(struct slice text)
{
	bool starts = true;
	for (size_t at = 0; at < text.len;) {
		size_t end = at;
		while (end < text.len && is_name_byte(text.data[end]))
			end++;
		struct token word = { .offset = (uint32_t)at, .len = (uint32_t)(end - at), .class = TOKEN_WORD };
		unsigned flags = end > at && end - at < NAME_MAX_BYTES ? word_flags(text, &word) : 0;
		if ((flags & (WORD_SETTER | WORD_TEMP)) || (starts && (flags & WORD_EFFECT)))
			return true;
		/* A comment may end here. */
		if (end == at)
			starts = text.data[at] == ';' || text.data[at] == '/' || (starts && is_space(text.data[at])) ||
				 text.data[at] == '\n';
		else
			starts = false;
		at = end > at ? end : at + 1;
	}
	return false;
}

static bool makes_temporary(struct slice text, const struct token_list *tokens, size_t i)
{
	static const char *const before[] = { "create", "into", "replace", "local", "global" };
	for (size_t k = 0; i > 0 && k < sizeof(before) / sizeof(before[0]); k++) {
		if (token_is_word(text, &tokens->items[i - 1], before[k]))
			return true;
	}
	return false;
}

static void look_at_word(struct slice text, const struct token_list *tokens, size_t i, bool starts, bool has_temp,
			 bool *ddl, struct seen *seen)
{
	unsigned flags = word_flags(text, &tokens->items[i]);
	if (starts)
		*ddl = flags & WORD_DDL;
	if (!flags)
		return;
	seen->effect |= starts && (flags & WORD_EFFECT);
	seen->reads_names |= (flags & WORD_READS_NAMES) != 0;
	seen->setter |= (flags & WORD_SETTER) != 0;
	seen->catalog |= *ddl && ((flags & WORD_CATALOG) || (starts && has_temp));
	seen->effect |= (flags & WORD_TEMP) && makes_temporary(text, tokens, i);
}

/* A function that may change what names mean (model/facts.h). */
static bool calls_code(struct slice text, const struct token_list *tokens, size_t i, const struct ruleset *ruleset)
{
	char name[NAME_MAX_BYTES + 1];
	if (!ruleset->facts || !ruleset->facts->code_count || i + 1 >= tokens->count ||
	    !token_is(text, &tokens->items[i + 1], "("))
		return false;
	token_identifier(text, &tokens->items[i], name);
	return facts_code_flags(ruleset->facts, name) != 0;
}

static struct seen look(struct slice text, const struct token_list *tokens, const struct ruleset *ruleset,
			bool has_temp)
{
	struct seen seen = { 0 };
	bool starts = true, ddl = false;
	for (size_t i = 0; i < tokens->count && !seen.name; i++) {
		const struct token *token = &tokens->items[i];
		if (token_is_identifier(token)) {
			look_at_word(text, tokens, i, starts, has_temp, &ddl, &seen);
			if (introspection_is_word(text, token)) {
				seen.counts_names = true;
				seen.catalog |= ruleset->policy.introspection == INTROSPECTION_MAP;
			}
			seen.name = mentions(text, token, ruleset);
			seen.setter |= calls_code(text, tokens, i, ruleset);
		}
		seen.parameter |= token->class == TOKEN_PARAM;
		starts = token->class == TOKEN_PUNCTUATION && text.data[token->offset] == ';';
	}
	return seen;
}

static bool any_literal_mentions(struct slice text, const struct token_list *tokens, const struct ruleset *ruleset,
				 struct token_list *scratch)
{
	for (size_t i = 0; i < tokens->count; i++) {
		if (token_is_literal(&tokens->items[i]) &&
		    literal_mentions(text, &tokens->items[i], ruleset, scratch))
			return true;
	}
	return false;
}

/* BEGIN, COMMIT and the like alone, or with a semicolon. */
static enum prefilter lone_word(struct slice text, const struct token_list *tokens)
{
	static const struct {
		const char *word;
		enum prefilter means;
	} words[] = { { "begin", PREFILTER_BEGIN },	{ "commit", PREFILTER_COMMIT },
		      { "end", PREFILTER_COMMIT },	{ "rollback", PREFILTER_ROLLBACK },
		      { "abort", PREFILTER_ROLLBACK } };
	if (tokens->count == 0 || tokens->count > 2 || (tokens->count == 2 && !token_is(text, &tokens->items[1], ";")))
		return PREFILTER_ANALYSE;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (token_is_word(text, &tokens->items[0], words[i].word))
			return words[i].means;
	}
	return PREFILTER_ANALYSE;
}

enum prefilter prefilter_run(struct slice text, const struct token_list *tokens, const struct ruleset *ruleset,
			     bool has_temp, struct token_list *scratch)
{
	struct seen seen = look(text, tokens, ruleset, has_temp);
	if (seen.name || seen.setter || seen.catalog || (seen.reads_names && seen.parameter))
		return PREFILTER_ANALYSE;
	if (seen.effect)
		return lone_word(text, tokens);
	if (!seen.reads_names && !seen.counts_names)
		return PREFILTER_NOTHING;
	return any_literal_mentions(text, tokens, ruleset, scratch) ? PREFILTER_ANALYSE
								    : PREFILTER_NOTHING_IN_LITERALS;
}
