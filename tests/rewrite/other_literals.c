#include "other_literals.h"

#include "rewrite/lexer.h"
#include "rewrite/rewrite_cache.h"
#include "rewrite/value_list.h"

#include <ctype.h>
#include <stdio.h>

enum { TEXTS = 12 };

static uint32_t next(uint32_t *random)
{
	*random = *random * 1664525u + 1013904223u;
	return *random >> 16;
}

/* Names of tables among them: they may mean something where the literal stands. */
static const char *const bodies[] = { "",	  "a",		 "stocks",    "public.prices", "prices",
				      "it''s",	  "public",	 "search_path", "data.prices",	  "2024-01-01",
				      "{prices}", "a long one that moves what follows it by many bytes" };
static const char *const numbers[] = { "0", "1", "2", "10", "12345678901", "1.5", "1e3", ".5" };

static void put_other(struct slice literal, enum token_class class, uint32_t *random, struct buf *out)
{
	const char *body = bodies[next(random) % (sizeof(bodies) / sizeof(*bodies))];
	switch (class) {
	case TOKEN_NUMBER:
		buf_append_str(out, numbers[next(random) % (sizeof(numbers) / sizeof(*numbers))]);
		break;
	case TOKEN_DOLLAR:
		buf_printf(out, "$tag$%s$tag$", body);
		break;
	case TOKEN_BITS:
		buf_printf(out, "%c'%s'", *literal.data, next(random) % 2 ? "101" : "");
		break;
	case TOKEN_USTRING:
		buf_printf(out, "U&'%s'", body);
		break;
	default:
		if (*literal.data != '\'')
			buf_append_byte(out, (uint8_t)*literal.data);
		buf_printf(out, "'%s'", body);
	}
}

static void repeat_member(struct slice sql, const struct token_list *tokens, const struct value_list *list,
			  uint32_t *random, struct buf *out)
{
	const struct token *first = &tokens->items[list->first], *last = &tokens->items[list->one_end - 1];
	for (uint32_t more = next(random) % 3; more; more--) {
		buf_append_str(out, ", ");
		buf_append(out, sql.data + first->offset, last->offset + last->len - first->offset);
	}
}

static void compose(struct slice sql, const struct token_list *tokens, uint32_t random, struct buf *out)
{
	struct value_list list = { 0 };
	size_t at = 0;
	for (size_t i = 0; i < tokens->count; i++) {
		const struct token *token = &tokens->items[i];
		struct value_list found;
		if (value_list_at(sql, tokens, i, tokens->count, VALUES_OF_ONE_CLASS, &found))
			list = found;
		buf_append(out, sql.data + at, token->offset - at);
		if (token_is_literal(token) && next(&random) % 4)
			put_other(token_text(sql, token), (enum token_class)token->class, &random, out);
		else
			buf_append_slice(out, token_text(sql, token));
		at = token->offset + token->len;
		if (list.end && i + 1 == list.end)
			repeat_member(sql, tokens, &list, &random, out);
	}
	buf_append(out, sql.data + at, sql.len - at);
}

/* ---- comparing ---- */

/* The one that was learnt from may have been spelled otherwise: case and blanks do not count. */
static bool same_words(struct slice a, struct slice b)
{
	size_t i = 0, k = 0;
	for (;; i++, k++) {
		while (i < a.len && a.data[i] == ' ')
			i++;
		while (k < b.len && b.data[k] == ' ')
			k++;
		if (i == a.len || k == b.len)
			return i == a.len && k == b.len;
		if (tolower((unsigned char)a.data[i]) != tolower((unsigned char)b.data[k]))
			return false;
	}
}

static bool same_shape(const struct statement_shape *a, const struct statement_shape *b)
{
	if (!a || !b)
		return a == b;
	bool same = same_words(a->text, b->text) && a->use_count == b->use_count;
	for (size_t i = 0; same && i < a->use_count; i++)
		same = a->uses[i].entry == b->uses[i].entry && a->uses[i].side == b->uses[i].side &&
		       a->uses[i].kind == b->uses[i].kind && a->uses[i].flags == b->uses[i].flags;
	return same;
}

/* Texts with nothing to say may have no statements at all. */
static bool same_statement(const struct rewrite *a, const struct rewrite *b, size_t i)
{
	static const struct rewrite_statement none = { .kind = STATEMENT_QUERY };
	const struct rewrite_statement *left = i < a->statement_count ? &a->statements[i] : &none;
	const struct rewrite_statement *right = i < b->statement_count ? &b->statements[i] : &none;
	return left->kind == right->kind && left->effect_count == right->effect_count &&
	       same_shape(left->shape, right->shape);
}

static const char *difference(const struct rewrite *a, const struct rewrite *b)
{
	if (a->outcome != b->outcome)
		return "another outcome";
	if (!slice_eq(a->sql, b->sql))
		return "another text";
	if (a->parameter_count != b->parameter_count || a->depends_on_state != b->depends_on_state)
		return "another result";
	for (size_t i = 0; i < a->statement_count || i < b->statement_count; i++) {
		if (!same_statement(a, b, i))
			return "another statement";
	}
	for (uint32_t position = 0; position < a->sql.len + 2; position++) {
		if (rewrite_map_position(a, position) != rewrite_map_position(b, position))
			return "another position";
	}
	return NULL;
}

static struct slice shown(const struct rewrite *rewrite)
{
	return rewrite->outcome == REWRITE_REFUSED ? slice_str(rewrite->refusal->message) : rewrite->sql;
}

static void compare(struct other_literals *check, struct slice text, enum rewrite_protocol protocol)
{
	uint64_t before = rewriter_cache_stats(check->learnt).recipe_hits;
	struct rewrite *learnt = rewriter_run(check->learnt, text, protocol, check->state, check->ruleset);
	struct rewrite *fresh = rewriter_run(check->fresh, text, protocol, check->state, check->ruleset);
	const char *what = difference(fresh, learnt);
	check->tried++;
	check->learnt_from += rewriter_cache_stats(check->learnt).recipe_hits > before;
	if (what)
		check->differs(check->context, text, what, shown(fresh), shown(learnt));
	rewrite_unref(learnt);
	rewrite_unref(fresh);
}

void other_literals_check(struct other_literals *check, struct slice sql, enum rewrite_protocol protocol)
{
	struct token_list tokens;
	struct buf text;
	token_list_init(&tokens);
	buf_init(&text);
	lexer_run(sql, session_state_standard_strings(check->state), &tokens);
	for (uint32_t i = 0; i < TEXTS && tokens.status == LEXER_OK; i++) {
		buf_clear(&text);
		compose(sql, &tokens, i * 7919 + (uint32_t)sql.len, &text);
		compare(check, buf_slice(&text), protocol);
	}
	compare(check, sql, protocol);
	buf_deinit(&text);
	token_list_deinit(&tokens);
}
