#include "sql_text.h"

#include <stdlib.h>

struct reader {
	struct slice text;
	struct token_list tokens;
	size_t at;	/* where the statement begins */
	sql_statement_fn *each;
	void *context;
};

static size_t line_end(struct slice text, size_t at)
{
	while (at < text.len && text.data[at] != '\n')
		at++;
	return at;
}

static bool mark(const struct reader *r, struct slice rest, size_t i, char mark)
{
	return i < r->tokens.count && rest.data[r->tokens.items[i].offset] == mark;
}

static bool word(const struct reader *r, struct slice rest, size_t i, const char *keyword)
{
	return i < r->tokens.count && token_is_word(rest, &r->tokens.items[i], keyword);
}

/* COPY … FROM STDIN: data follows until a line that is "\.". */
static bool takes_data(const struct reader *r, struct slice rest, size_t end)
{
	if (!word(r, rest, 0, "copy"))
		return false;
	for (size_t i = 1; i + 1 < end; i++) {
		if (word(r, rest, i, "from") && word(r, rest, i + 1, "stdin"))
			return true;
	}
	return false;
}

static size_t after_data(struct slice text, size_t at)
{
	for (size_t start = line_end(text, at); start < text.len; start = line_end(text, start)) {
		start++;
		if (start + 2 <= text.len && memcmp(text.data + start, "\\.", 2) == 0)
			return line_end(text, start);
	}
	return text.len;
}

static unsigned line_of(struct slice text, size_t at)
{
	unsigned line = 1;
	for (size_t i = 0; i < at; i++)
		line += text.data[i] == '\n';
	return line;
}

static void hand_out(const struct reader *r, struct slice rest, size_t first, size_t end)
{
	if (first == end)
		return;
	size_t start = r->tokens.items[first].offset;
	size_t stop = r->tokens.items[end - 1].offset + r->tokens.items[end - 1].len;
	r->each(r->context, slice_of(rest.data + start, stop - start), line_of(r->text, r->at + start));
}

/* BEGIN ATOMIC … END holds semicolons of its own. */
static int atomic_depth(const struct reader *r, struct slice rest, size_t i, int depth)
{
	if (word(r, rest, i, "atomic") && i && word(r, rest, i - 1, "begin"))
		return 1;
	if (depth && word(r, rest, i, "case"))
		return depth + 1;
	if (depth && word(r, rest, i, "end"))
		return depth - 1;
	return depth;
}

/* One statement from r->at on; leaves r->at behind it. */
static bool next(struct reader *r)
{
	struct slice rest = slice_of(r->text.data + r->at, r->text.len - r->at);
	int parentheses = 0, atomic = 0;
	lexer_run(rest, true, &r->tokens);
	for (size_t i = 0; i < r->tokens.count; i++) {
		size_t offset = r->tokens.items[i].offset;
		char first = rest.data[offset];
		atomic = atomic_depth(r, rest, i, atomic);
		parentheses += first == '(' && r->tokens.items[i].len == 1;
		parentheses -= first == ')';
		bool ends = mark(r, rest, i, ';') && parentheses <= 0 && !atomic;
		if (!ends && first != '\\')
			continue;
		hand_out(r, rest, 0, i);
		if (first == '\\')
			r->at += line_end(rest, offset);
		else if (takes_data(r, rest, i))
			r->at += after_data(rest, offset);
		else
			r->at += offset + 1;
		return true;
	}
	hand_out(r, rest, 0, r->tokens.count);
	/* An open quote, most likely of psql's own words: the next line may make sense. */
	r->at += r->tokens.status == LEXER_OK ? rest.len : line_end(rest, r->tokens.end) + 1;
	return r->at < r->text.len;
}

void sql_text_each(struct slice text, sql_statement_fn *each, void *context)
{
	struct reader r = { .text = text, .each = each, .context = context };
	token_list_init(&r.tokens);
	while (r.at < text.len && next(&r)) {
	}
	token_list_deinit(&r.tokens);
}
