#include "rewrite/value_list.h"

static bool is_mark(struct slice text, const struct token_list *tokens, size_t i, size_t end, char mark)
{
	return i < end && tokens->items[i].class == TOKEN_PUNCTUATION && tokens->items[i].len == 1 &&
	       text.data[tokens->items[i].offset] == mark;
}

static bool is_value(const struct token *token)
{
	return token_is_literal(token) || token->class == TOKEN_PARAM;
}

static bool alike(struct slice text, const struct token *a, const struct token *b, enum values_alike by)
{
	if (by == VALUES_OF_ANY_CLASS && is_value(a) && is_value(b))
		return true;
	if (a->class != b->class)
		return false;
	if (is_value(a))
		return true;
	return a->len == b->len &&
	       (a->class == TOKEN_WORD ? strncasecmp(text.data + a->offset, text.data + b->offset, a->len) == 0
				       : memcmp(text.data + a->offset, text.data + b->offset, a->len) == 0);
}

static bool in_list(struct slice text, const struct token_list *tokens, size_t i, size_t end,
		    enum values_alike by, struct value_list *list_out)
{
	size_t at = i + 1;
	if (at >= end || !is_value(&tokens->items[at]))
		return false;
	while (is_mark(text, tokens, at + 1, end, ',') && at + 2 < end &&
	       alike(text, &tokens->items[i + 1], &tokens->items[at + 2], by))
		at += 2;
	*list_out = (struct value_list){ i + 1, i + 2, at + 1 };
	return at > i + 1 && is_mark(text, tokens, at + 1, end, ')');
}

/* Rows of more tokens are not looked at: a text may open many, one inside the other. */
enum { ROW_TOKENS_MAX = 1024 };

/* After the parenthesis that closes the one at i; end: there is none. */
static size_t row_end(struct slice text, const struct token_list *tokens, size_t i, size_t end)
{
	size_t depth = 0, stop = end - i > ROW_TOKENS_MAX ? i + ROW_TOKENS_MAX : end;
	for (; i < stop; i++) {
		if (is_mark(text, tokens, i, end, '('))
			depth++;
		else if (is_mark(text, tokens, i, end, ')') && --depth == 0)
			return i + 1;
	}
	return end;
}

static bool rows_alike(struct slice text, const struct token_list *tokens, size_t a, size_t b, size_t len, size_t end,
		       enum values_alike by)
{
	if (b + len > end)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!alike(text, &tokens->items[a + i], &tokens->items[b + i], by))
			return false;
	}
	return true;
}

static bool rows(struct slice text, const struct token_list *tokens, size_t i, size_t end, enum values_alike by,
		 struct value_list *list_out)
{
	size_t one_end = row_end(text, tokens, i, end), len = one_end - i, at = one_end;
	while (is_mark(text, tokens, at, end, ',') && rows_alike(text, tokens, i, at + 1, len, end, by))
		at += len + 1;
	*list_out = (struct value_list){ i, one_end, at };
	return at > one_end;
}

bool value_list_at(struct slice text, const struct token_list *tokens, size_t i, size_t end, enum values_alike by,
		   struct value_list *list_out)
{
	if (i == 0 || !is_mark(text, tokens, i, end, '('))
		return false;
	const struct token *before = &tokens->items[i - 1];
	if (token_is_word(text, before, "in"))
		return in_list(text, tokens, i, end, by, list_out);
	return token_is_word(text, before, "values") && rows(text, tokens, i, end, by, list_out);
}
