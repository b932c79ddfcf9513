#include "rewrite/fold.h"

#include "rewrite/words.h"

struct folder {
	struct slice text;
	const struct token_list *tokens;
	const struct ruleset *ruleset;
	char *copy;
	size_t folded_bytes;
};

static bool is_mark(const struct folder *f, size_t i, char mark)
{
	if (i >= f->tokens->count)
		return false;
	const struct token *token = &f->tokens->items[i];
	return token->class == TOKEN_PUNCTUATION && token->len == 1 && f->text.data[token->offset] == mark;
}

/* Could the token matter to the rewriter? Then its row must be parsed. */
static bool matters(const struct folder *f, const struct token *token)
{
	char name[NAME_MAX_BYTES + 1];
	if (!token_is_identifier(token))
		return false;
	if (word_flags(f->text, token) & (WORD_READS_NAMES | WORD_SETTER))
		return true;
	return ruleset_mentions(f->ruleset, name, token_identifier(f->text, token, name));
}

/* The index of the parenthesis that closes the row opened at i; 0: it has none, or must be parsed. */
static size_t row_end(const struct folder *f, size_t i)
{
	size_t depth = 0;
	for (; i < f->tokens->count; i++) {
		if (is_mark(f, i, '('))
			depth++;
		else if (is_mark(f, i, ')') && --depth == 0)
			return i;
		else if (matters(f, &f->tokens->items[i]))
			return 0;
	}
	return 0;
}

static void blank(struct folder *f, size_t first, size_t last)
{
	size_t start = f->tokens->items[first].offset;
	size_t end = f->tokens->items[last].offset + f->tokens->items[last].len;
	memset(f->copy + start, ' ', end - start);
	f->folded_bytes += end - start;
}

/* i is the parenthesis that opens the first row. Returns where to go on. */
static size_t fold_list(struct folder *f, size_t i)
{
	size_t depth = 0;
	for (; i < f->tokens->count; i++) {
		depth += is_mark(f, i, '(');
		if (is_mark(f, i, ')') && --depth == 0)
			break;
	}
	while (is_mark(f, i + 1, ',') && is_mark(f, i + 2, '(')) {
		size_t end = row_end(f, i + 2);
		if (!end)
			break;
		blank(f, i + 1, end);
		i = end;
	}
	return i;
}

size_t fold_rows(struct slice text, const struct token_list *tokens, const struct ruleset *ruleset, char *copy)
{
	struct folder f = { text, tokens, ruleset, copy, 0 };
	for (size_t i = 0; i < tokens->count; i++) {
		if (token_is_word(text, &tokens->items[i], "values") && is_mark(&f, i + 1, '('))
			i = fold_list(&f, i + 1);
	}
	return text.len - f.folded_bytes;
}
