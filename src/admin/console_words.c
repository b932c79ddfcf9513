#include "admin/console_words.h"

#include <stdint.h>

#define SQLSTATE_SYNTAX_ERROR "42601"

struct splitter {
	struct arena *arena;
	const char *at, *end;
	uint32_t position; /* of at */
	struct console_word *words;
	size_t word_count, word_capacity;
	struct console_statement *statements;
	size_t statement_count, statement_capacity;
	size_t first; /* word of the statement at hand */
	unsigned parameters;
	struct error *error;
};

static bool fail(struct splitter *s, uint32_t position, const char *message)
{
	error_set(s->error, SQLSTATE_SYNTAX_ERROR, "%s", message);
	s->error->position = position;
	return false;
}

static char peek(const struct splitter *s, size_t ahead)
{
	return s->at + ahead < s->end ? s->at[ahead] : '\0';
}

static char take(struct splitter *s)
{
	char c = *s->at++;
	s->position += ((unsigned char)c & 0xC0) != 0x80;
	return c;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
	       (unsigned char)c >= 0x80;
}

/* ---- lists that grow in the arena ---- */

static void *grown(struct splitter *s, const void *items, size_t count, size_t *capacity, size_t size)
{
	*capacity = *capacity ? *capacity * 2 : 16;
	void *more = arena_alloc_array(s->arena, *capacity, size);
	if (count)
		memcpy(more, items, count * size);
	return more;
}

static struct console_word *add_word(struct splitter *s, enum console_word_kind kind, uint32_t position)
{
	if (s->word_count == s->word_capacity)
		s->words = grown(s, s->words, s->word_count, &s->word_capacity, sizeof(*s->words));
	struct console_word *word = &s->words[s->word_count++];
	*word = (struct console_word){ .kind = kind, .text = "", .position = position };
	return word;
}

/* words is only an index until all are known, since the list moves. */
static void add_statement(struct splitter *s)
{
	if (s->statement_count == s->statement_capacity)
		s->statements = grown(s, s->statements, s->statement_count, &s->statement_capacity,
				      sizeof(*s->statements));
	s->statements[s->statement_count++] = (struct console_statement){
		.count = s->word_count - s->first, .parameters = s->parameters };
	add_word(s, CONSOLE_END, s->position);
	s->first = s->word_count;
	s->parameters = 0;
}

/* ---- words ---- */

static bool skip_block_comment(struct splitter *s)
{
	uint32_t position = s->position;
	unsigned depth = 0;
	do {
		if (s->at == s->end)
			return fail(s, position, "unterminated /* comment");
		if (peek(s, 0) == '/' && peek(s, 1) == '*') {
			take(s);
			depth++;
		} else if (peek(s, 0) == '*' && peek(s, 1) == '/') {
			take(s);
			depth--;
		}
		take(s);
	} while (depth);
	return true;
}

static bool skip_blanks(struct splitter *s)
{
	while (s->at < s->end) {
		if (is_space(*s->at)) {
			take(s);
		} else if (peek(s, 0) == '-' && peek(s, 1) == '-') {
			while (s->at < s->end && *s->at != '\n')
				take(s);
		} else if (peek(s, 0) == '/' && peek(s, 1) == '*') {
			if (!skip_block_comment(s))
				return false;
		} else {
			break;
		}
	}
	return true;
}

/* The bytes up to the closing quote; SIZE_MAX: there is none. */
static size_t quoted_len(const struct splitter *s, char quote)
{
	for (const char *c = s->at; c < s->end; c++) {
		if (*c != quote)
			continue;
		if (c + 1 == s->end || c[1] != quote)
			return (size_t)(c - s->at);
		c++; /* within, it is written twice */
	}
	return SIZE_MAX;
}

static bool take_quoted(struct splitter *s, enum console_word_kind kind)
{
	uint32_t position = s->position;
	char quote = take(s);
	size_t bytes = quoted_len(s, quote), len = 0;
	if (bytes == SIZE_MAX)
		return fail(s, position, kind == CONSOLE_STRING ? "unterminated quoted string" :
								  "unterminated quoted identifier");
	char *text = arena_alloc(s->arena, bytes + 1);
	for (const char *stop = s->at + bytes; s->at < stop;) {
		text[len] = take(s);
		if (text[len++] == quote)
			take(s);
	}
	take(s);
	add_word(s, kind, position)->text = text;
	return true;
}

static bool take_parameter(struct splitter *s)
{
	uint32_t position = s->position;
	unsigned number = 0;
	take(s);
	while (peek(s, 0) >= '0' && peek(s, 0) <= '9' && number <= CONSOLE_PARAMETERS_MAX)
		number = number * 10 + (unsigned)(take(s) - '0');
	if (!number || number > CONSOLE_PARAMETERS_MAX)
		return fail(s, position, "there is no such parameter");
	add_word(s, CONSOLE_PARAMETER, position)->number = number;
	s->parameters = number > s->parameters ? number : s->parameters;
	return true;
}

static void take_plain(struct splitter *s)
{
	const char *start = s->at;
	uint32_t position = s->position;
	while (s->at < s->end && is_name_byte(*s->at))
		take(s);
	bool symbol = s->at == start;
	if (symbol)
		take(s);
	char *text = arena_copy(s->arena, start, (size_t)(s->at - start));
	for (char *c = text; *c; c++) {
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c + ('a' - 'A'));
	}
	add_word(s, symbol ? CONSOLE_SYMBOL : CONSOLE_WORD, position)->text = text;
}

static bool take_word(struct splitter *s)
{
	char c = peek(s, 0);
	if (c == '\'')
		return take_quoted(s, CONSOLE_STRING);
	if (c == '"')
		return take_quoted(s, CONSOLE_QUOTED);
	if (c == '$')
		return take_parameter(s);
	if (c == ';') {
		add_statement(s);
		take(s);
		return true;
	}
	take_plain(s);
	return true;
}

static void place_words(struct splitter *s)
{
	const struct console_word *words = s->words;
	for (size_t i = 0; i < s->statement_count; i++) {
		s->statements[i].words = words;
		words += s->statements[i].count + 1;
	}
}

bool console_split(struct arena *arena, struct slice text, struct console_statement **statements_out,
		   size_t *count_out, struct error *error_out)
{
	struct splitter s = { .arena = arena, .at = text.data, .end = text.data + text.len, .position = 1,
			      .error = error_out };
	if (text.len && memchr(text.data, '\0', text.len))
		return fail(&s, 0, "a text must not contain a NUL");
	for (;;) {
		if (!skip_blanks(&s))
			return false;
		if (s.at == s.end)
			break;
		if (!take_word(&s))
			return false;
	}
	if (s.word_count > s.first || !s.statement_count)
		add_statement(&s);
	place_words(&s);
	*statements_out = s.statements;
	*count_out = s.statement_count;
	return true;
}
