#include "rewrite/clauses.h"

static const struct token *token(const struct analysis *a, size_t index)
{
	return &a->tokens->items[index];
}

bool clause_is_mark(const struct analysis *a, size_t index, const char *mark)
{
	return index >= a->first && index < a->end && token_is(a->text, token(a, index), mark);
}

bool clause_is_word(const struct analysis *a, size_t index, const char *word)
{
	return index >= a->first && index < a->end && token_is_word(a->text, token(a, index), word);
}

static bool opens(const struct analysis *a, size_t index)
{
	return clause_is_mark(a, index, "(") || clause_is_mark(a, index, "[");
}

static bool closes(const struct analysis *a, size_t index)
{
	return clause_is_mark(a, index, ")") || clause_is_mark(a, index, "]");
}

size_t clause_close(const struct analysis *a, size_t open)
{
	size_t depth = 0;
	for (size_t i = open; i < a->end; i++) {
		if (opens(a, i))
			depth++;
		else if (closes(a, i) && --depth == 0)
			return i;
	}
	return a->end;
}

/* Reserved words: none of them can be part of an expression but those told apart below. */
static bool starts_clause(const struct analysis *a, size_t index, unsigned cases)
{
	static const char *const words[] = { "from",   "where", "group", "having", "window", "union",
					     "intersect", "except", "order", "limit", "offset", "fetch",
					     "for",    "into",  "returning", "when" };
	if (token(a, index)->class != TOKEN_WORD || clause_is_mark(a, index - 1, "."))
		return false;
	if (clause_is_word(a, index, "from") && clause_is_word(a, index - 1, "distinct"))
		return false;
	if (clause_is_word(a, index, "when"))
		return cases == 0;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (clause_is_word(a, index, words[i]))
			return true;
	}
	return false;
}

size_t clause_item_last(const struct analysis *a, size_t first)
{
	unsigned cases = 0;
	size_t i = first;
	for (; i < a->end; i++) {
		if (opens(a, i)) {
			i = clause_close(a, i);
			continue;
		}
		if (closes(a, i) || clause_is_mark(a, i, ",") || clause_is_mark(a, i, ";"))
			break;
		if (i > first && starts_clause(a, i, cases))
			break;
		if (clause_is_word(a, i, "case"))
			cases++;
		else if (cases && clause_is_word(a, i, "end"))
			cases--;
	}
	if (i > a->end)
		i = a->end;
	return i > first ? i - 1 : first;
}

size_t clause_statement_last(const struct analysis *a, size_t first)
{
	size_t i = first;
	while (i < a->end && !closes(a, i) && !clause_is_mark(a, i, ";"))
		i = opens(a, i) ? clause_close(a, i) + 1 : i + 1;
	if (i > a->end)
		i = a->end;
	return i > first ? i - 1 : first;
}

size_t clause_find_word(const struct analysis *a, size_t first, size_t last, const char *word)
{
	for (size_t i = first; i <= last && i < a->end; i++) {
		if (opens(a, i))
			i = clause_close(a, i);
		else if (clause_is_word(a, i, word) && !clause_is_mark(a, i - 1, "."))
			return i;
	}
	return a->end;
}
