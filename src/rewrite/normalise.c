#include "rewrite/normalise.h"

#include "rewrite/value_list.h"

#include <stdio.h>

struct normaliser {
	struct slice text;
	const struct token_list *tokens;
	size_t first, end;
	unsigned next_parameter;
	struct buf *out;
};

static bool is_mark(const struct normaliser *n, size_t index, const char *marks)
{
	if (index < n->first || index >= n->end)
		return false;
	const struct token *token = &n->tokens->items[index];
	return token->class == TOKEN_PUNCTUATION && strchr(marks, n->text.data[token->offset]) != NULL;
}

static unsigned highest_parameter(const struct normaliser *n)
{
	unsigned highest = 0;
	for (size_t i = n->first; i < n->end; i++) {
		const struct token *token = &n->tokens->items[i];
		unsigned number = 0;
		for (size_t k = 1; token->class == TOKEN_PARAM && k < token->len && number < 100000; k++)
			number = number * 10 + (unsigned)(n->text.data[token->offset + k] - '0');
		highest = number > highest ? number : highest;
	}
	return highest;
}

/* One space between tokens, none where SQL is usually written without. */
static bool wants_space(const struct normaliser *n, size_t i)
{
	if (i == n->first || is_mark(n, i, ".,);]") || is_mark(n, i - 1, ".(["))
		return false;
	if (is_mark(n, i, ":") || is_mark(n, i - 1, ":"))
		return false;
	if (is_mark(n, i, "(["))
		return n->tokens->items[i - 1].offset + n->tokens->items[i - 1].len != n->tokens->items[i].offset;
	return true;
}

static void append_token(struct normaliser *n, size_t i)
{
	const struct token *token = &n->tokens->items[i];
	if (token_is_literal(token))
		buf_printf(n->out, "$%u", n->next_parameter++);
	else if (token->class == TOKEN_UQUOTED) /* its UESCAPE has a comment's place in it, and a literal */
		buf_append(n->out, n->text.data + token->offset, token->body_len);
	else
		buf_append(n->out, n->text.data + token->offset, token->len);
}

static void cut(struct buf *out, size_t start, size_t most_bytes)
{
	static const char mark[] = "…";
	size_t keep = most_bytes > sizeof(mark) - 1 ? most_bytes - (sizeof(mark) - 1) : 0;
	while (keep > 0 && ((uint8_t)out->data[start + keep] & 0xC0) == 0x80)
		keep--;
	out->len = start + keep;
	if (most_bytes > sizeof(mark) - 1)
		buf_append_str(out, mark);
}

void normalise(struct slice text, const struct token_list *tokens, size_t first, size_t end, size_t most_bytes,
	       struct buf *out)
{
	struct normaliser n = { text, tokens, first, end, 0, out };
	size_t start = out->len;
	struct value_list found, list = { 0 };
	while (end > first && is_mark(&n, end - 1, ";"))
		n.end = --end;
	n.next_parameter = highest_parameter(&n) + 1;
	for (size_t i = first; i < end && out->len - start <= most_bytes; i++) {
		if (wants_space(&n, i))
			buf_append_byte(out, ' ');
		append_token(&n, i);
		if (value_list_at(text, tokens, i, end, VALUES_OF_ANY_CLASS, &found))
			list = found;
		if (i + 1 == list.one_end) {
			buf_append_str(out, ", …");
			i = list.end - 1;
		}
	}
	if (out->len - start > most_bytes)
		cut(out, start, most_bytes);
}
