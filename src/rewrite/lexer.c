/*
 * The scanner. It must agree with the server's about where each token ends,
 * since everything else stands on that: a comment taken for code, or a string
 * that ends elsewhere, would rewrite the wrong bytes.
 */
#include "rewrite/lexer.h"

#include "base/memory.h"
#include "rewrite/chars.h"

#include <stdlib.h>

enum {
	CHAR_SPACE = 1,	   /* white space */
	CHAR_START = 2,	   /* starts an identifier */
	CHAR_CONT = 4,	   /* continues an identifier */
	CHAR_DIGIT = 8,
	CHAR_OPERATOR = 16,
	CHAR_SELF = 32,	   /* ( ) [ ] , ; : . */
	CHAR_TAG = 64,	   /* continues a dollar tag: no $ */
};

static const uint8_t char_classes[256] = {
	[' '] = CHAR_SPACE, ['\t'] = CHAR_SPACE, ['\n'] = CHAR_SPACE, ['\r'] = CHAR_SPACE,
	['\f'] = CHAR_SPACE, ['\v'] = CHAR_SPACE,
	['a' ... 'z'] = CHAR_START | CHAR_CONT | CHAR_TAG,
	['A' ... 'Z'] = CHAR_START | CHAR_CONT | CHAR_TAG,
	[0x80 ... 0xff] = CHAR_START | CHAR_CONT | CHAR_TAG,
	['_'] = CHAR_START | CHAR_CONT | CHAR_TAG,
	['0' ... '9'] = CHAR_CONT | CHAR_DIGIT | CHAR_TAG,
	['$'] = CHAR_CONT,
	['~'] = CHAR_OPERATOR, ['!'] = CHAR_OPERATOR, ['@'] = CHAR_OPERATOR, ['#'] = CHAR_OPERATOR,
	['^'] = CHAR_OPERATOR, ['&'] = CHAR_OPERATOR, ['|'] = CHAR_OPERATOR, ['`'] = CHAR_OPERATOR,
	['?'] = CHAR_OPERATOR, ['+'] = CHAR_OPERATOR, ['-'] = CHAR_OPERATOR, ['*'] = CHAR_OPERATOR,
	['/'] = CHAR_OPERATOR, ['%'] = CHAR_OPERATOR, ['<'] = CHAR_OPERATOR, ['>'] = CHAR_OPERATOR,
	['='] = CHAR_OPERATOR,
	['('] = CHAR_SELF, [')'] = CHAR_SELF, ['['] = CHAR_SELF, [']'] = CHAR_SELF, [','] = CHAR_SELF,
	[';'] = CHAR_SELF, [':'] = CHAR_SELF, ['.'] = CHAR_SELF,
};

enum { TOKENS_KEPT = 64 * 1024 };

struct scan {
	const char *data;
	size_t len;
	size_t at;
	bool standard_strings;
	struct token_list *tokens;
};

static bool is_class(const struct scan *s, size_t at, unsigned class)
{
	return at < s->len && (char_classes[(uint8_t)s->data[at]] & class);
}

static char peek(const struct scan *s, size_t ahead)
{
	return s->at + ahead < s->len ? s->data[s->at + ahead] : '\0';
}

void token_list_init(struct token_list *tokens)
{
	*tokens = (struct token_list){ 0 };
}

void token_list_deinit(struct token_list *tokens)
{
	free(tokens->items);
	token_list_init(tokens);
}

static void __attribute__((noinline)) grow(struct token_list *tokens)
{
	tokens->capacity = tokens->capacity ? tokens->capacity * 2 : 64;
	tokens->items = memory_realloc(tokens->items, tokens->capacity * sizeof(*tokens->items));
}

static inline void add_token(struct scan *s, enum token_class class, size_t start)
{
	struct token_list *tokens = s->tokens;
	if (tokens->count == tokens->capacity)
		grow(tokens);
	uint32_t len = (uint32_t)(s->at - start);
	tokens->items[tokens->count++] = (struct token){
		.offset = (uint32_t)start, .len = len, .body_len = len, .class = (uint8_t)class
	};
}

static bool stop(struct scan *s, enum lexer_status status, size_t start)
{
	s->tokens->status = status;
	s->tokens->end = start;
	return false;
}

/* ---- white space and comments ---- */

static size_t line_comment_end(const char *data, size_t len, size_t at)
{
	while (at < len && data[at] != '\n' && data[at] != '\r' && data[at] != '\0')
		at++;
	return at;
}

/* The end of the comment that opens at `at`, nested ones included; 0: it has none. */
static size_t block_comment_end(const char *data, size_t len, size_t at)
{
	size_t depth = 1;
	for (at += 2; at + 1 < len; at++) {
		if (data[at] == '\0')
			return 0;
		if (data[at] == '/' && data[at + 1] == '*') {
			depth++;
			at++;
		} else if (data[at] == '*' && data[at + 1] == '/') {
			at++;
			if (--depth == 0)
				return at + 1;
		}
	}
	return 0;
}

/* White space and comments from s->at on; false when a comment does not end. */
static bool skip_trivia(struct scan *s)
{
	for (;;) {
		while (is_class(s, s->at, CHAR_SPACE))
			s->at++;
		char c = peek(s, 0);
		if (c != '-' && c != '/')
			return true;
		if (c == '-' && peek(s, 1) == '-') {
			s->tokens->has_comments = true;
			s->at = line_comment_end(s->data, s->len, s->at);
		} else if (c == '/' && peek(s, 1) == '*') {
			s->tokens->has_comments = true;
			size_t end = block_comment_end(s->data, s->len, s->at);
			if (!end)
				return stop(s, LEXER_UNTERMINATED, s->at);
			s->at = end;
		} else {
			return true;
		}
	}
}

/* ---- quotes ---- */

/* Where a literal goes on after its closing quote: white space with a newline in it
 * (line comments count as white space after the first newline, and before it), then
 * another quote. at otherwise. */
static size_t continuation(const struct scan *s, size_t at)
{
	bool newline = false;
	size_t i = at;
	for (; i < s->len; i++) {
		char c = s->data[i];
		if (c == '\n' || c == '\r') {
			newline = true;
		} else if (c == '-' && i + 1 < s->len && s->data[i + 1] == '-') {
			i = line_comment_end(s->data, s->len, i) - 1;
			if (i + 1 >= s->len || s->data[i + 1] == '\0')
				return at;
		} else if (!is_class(s, i, CHAR_SPACE)) {
			break;
		}
	}
	return newline && i < s->len && s->data[i] == '\'' ? i : at;
}

/* s->at is after the opening quote; ends after the closing one. */
static bool scan_quoted(struct scan *s, char quote, bool backslash)
{
	for (; s->at < s->len && s->data[s->at] != '\0'; s->at++) {
		char c = s->data[s->at];
		if (backslash && c == '\\' && s->at + 1 < s->len && s->data[s->at + 1] != '\0') {
			s->at++;
		} else if (c == quote) {
			if (peek(s, 1) != quote) {
				s->at++;
				return true;
			}
			s->at++;
		}
	}
	return false;
}

static bool scan_string(struct scan *s, enum token_class class, size_t start, size_t prefix)
{
	bool backslash = class == TOKEN_ESTRING;
	s->at = start + prefix + 1;
	for (;;) {
		if (!scan_quoted(s, '\'', backslash))
			return stop(s, s->at < s->len ? LEXER_NUL : LEXER_UNTERMINATED, start);
		size_t next = continuation(s, s->at);
		if (next == s->at)
			break;
		if (memmem(s->data + s->at, next - s->at, "--", 2))
			s->tokens->has_comments = true;
		s->at = next + 1;
	}
	add_token(s, class, start);
	return true;
}

/* Takes `UESCAPE 'c'` into the token before it, if that is what follows. */
static bool take_uescape(struct scan *s)
{
	size_t index = s->tokens->count - 1, end = s->at;
	bool had_comments = s->tokens->has_comments;
	s->tokens->items[index].escape = '\\';
	if (!skip_trivia(s))
		return false;
	if (s->len - s->at >= 7 && strncasecmp(s->data + s->at, "uescape", 7) == 0 &&
	    !is_class(s, s->at + 7, CHAR_CONT)) {
		s->at += 7;
		if (!skip_trivia(s))
			return false;
		if (peek(s, 0) == '\'' && peek(s, 1) != '\0' && peek(s, 2) == '\'') {
			s->tokens->items[index].escape = peek(s, 1);
			s->at += 3;
			s->tokens->items[index].len = (uint32_t)(s->at - s->tokens->items[index].offset);
			return true;
		}
	}
	s->at = end;
	s->tokens->has_comments = had_comments;
	return true;
}

static bool scan_quoted_identifier(struct scan *s, enum token_class class, size_t start, size_t prefix)
{
	s->at = start + prefix + 1;
	if (!scan_quoted(s, '"', false))
		return stop(s, s->at < s->len ? LEXER_NUL : LEXER_UNTERMINATED, start);
	add_token(s, class, start);
	return class != TOKEN_UQUOTED || take_uescape(s);
}

static bool scan_dollar(struct scan *s)
{
	size_t start = s->at, tag = start + 1;
	if (is_class(s, tag, CHAR_DIGIT)) {
		for (s->at = tag; is_class(s, s->at, CHAR_CONT) && s->data[s->at] != '$';)
			s->at++;
		add_token(s, TOKEN_PARAM, start);
		return true;
	}
	while (is_class(s, tag, CHAR_TAG))
		tag++;
	if (tag >= s->len || s->data[tag] != '$') {
		s->at++;
		add_token(s, TOKEN_OPERATOR, start);
		return true;
	}
	size_t tag_len = tag + 1 - start;
	const char *end = memmem(s->data + tag + 1, s->len - tag - 1, s->data + start, tag_len);
	const char *nul = memchr(s->data + start, '\0', (end ? (size_t)(end - s->data) : s->len) - start);
	if (nul || !end)
		return stop(s, nul ? LEXER_NUL : LEXER_UNTERMINATED, start);
	s->at = (size_t)(end - s->data) + tag_len;
	add_token(s, TOKEN_DOLLAR, start);
	return true;
}

/* ---- words, numbers, operators ---- */

/* A letter before a quote that makes it another kind of quote. */
static bool scan_prefixed(struct scan *s, bool *taken_out)
{
	size_t start = s->at;
	*taken_out = true;
	if (peek(s, 1) == '\'') {
		switch (s->data[start] | 0x20) {
		case 'e':
			return scan_string(s, TOKEN_ESTRING, start, 1);
		case 'b':
		case 'x':
			return scan_string(s, TOKEN_BITS, start, 1);
		case 'n':
			return scan_string(s, s->standard_strings ? TOKEN_NSTRING : TOKEN_ESTRING, start, 1);
		}
	}
	if ((s->data[start] | 0x20) == 'u' && peek(s, 1) == '&') {
		if (peek(s, 2) == '\'')
			return scan_string(s, TOKEN_USTRING, start, 2) && take_uescape(s);
		if (peek(s, 2) == '"')
			return scan_quoted_identifier(s, TOKEN_UQUOTED, start, 2);
	}
	*taken_out = false;
	return true;
}

static bool scan_word(struct scan *s)
{
	bool taken = false;
	if ((peek(s, 1) == '\'' || peek(s, 1) == '&') && (!scan_prefixed(s, &taken) || taken))
		return taken && s->tokens->status == LEXER_OK;
	size_t start = s->at;
	do {
		s->at++;
	} while (is_class(s, s->at, CHAR_CONT));
	add_token(s, TOKEN_WORD, start);
	return true;
}

/* Newer servers know 0x1F and 1_000, older ones end the number there: either way no name starts inside. */
static void scan_number(struct scan *s)
{
	size_t start = s->at;
	while (is_class(s, s->at, CHAR_DIGIT))
		s->at++;
	if (peek(s, 0) == '.' && peek(s, 1) != '.') {
		s->at++;
		while (is_class(s, s->at, CHAR_DIGIT))
			s->at++;
	}
	if ((peek(s, 0) | 0x20) == 'e' && (peek(s, 1) == '+' || peek(s, 1) == '-') &&
	    is_class(s, s->at + 2, CHAR_DIGIT))
		s->at += 2;
	while (is_class(s, s->at, CHAR_CONT) && s->data[s->at] != '$')
		s->at++;
	add_token(s, TOKEN_NUMBER, start);
}

/* A run of operator characters ends before a comment, and gives up trailing signs
 * unless a character in it could not be part of a standard operator. */
static void scan_operator(struct scan *s)
{
	size_t start = s->at, end = start;
	while (is_class(s, end, CHAR_OPERATOR)) {
		char c = s->data[end], next = end + 1 < s->len ? s->data[end + 1] : '\0';
		if (end > start && ((c == '-' && next == '-') || (c == '/' && next == '*')))
			break;
		end++;
	}
	bool special = false;
	for (size_t i = start; end - start > 1 && i < end; i++)
		special |= strchr("~!@#^&|`?%", s->data[i]) != NULL;
	while (!special && end - start > 1 && (s->data[end - 1] == '+' || s->data[end - 1] == '-'))
		end--;
	s->at = end;
	add_token(s, TOKEN_OPERATOR, start);
}

static void scan_punctuation(struct scan *s)
{
	size_t start = s->at;
	char c = peek(s, 0), next = peek(s, 1);
	bool pair = (c == ':' && (next == ':' || next == '=')) || (c == '.' && next == '.');
	s->at += pair ? 2 : 1;
	add_token(s, TOKEN_PUNCTUATION, start);
}

static bool scan_token(struct scan *s)
{
	char c = s->data[s->at];
	uint8_t class = char_classes[(uint8_t)c];
	if (class & CHAR_START)
		return scan_word(s);
	if ((class & CHAR_DIGIT) || (c == '.' && is_class(s, s->at + 1, CHAR_DIGIT))) {
		scan_number(s);
		return true;
	}
	if (class & CHAR_OPERATOR) {
		scan_operator(s);
		return true;
	}
	if (class & CHAR_SELF) {
		scan_punctuation(s);
		return true;
	}
	switch (c) {
	case '\'':
		return scan_string(s, s->standard_strings ? TOKEN_STRING : TOKEN_ESTRING, s->at, 0);
	case '"':
		return scan_quoted_identifier(s, TOKEN_QUOTED, s->at, 0);
	case '$':
		return scan_dollar(s);
	case '\0':
		return stop(s, LEXER_NUL, s->at);
	}
	s->at++; /* no such character in SQL: the server will complain */
	add_token(s, TOKEN_OPERATOR, s->at - 1);
	return true;
}

static inline const char *end_of_class(const char *at, const char *end, unsigned class)
{
	while (at < end && (char_classes[(uint8_t)*at] & class))
		at++;
	return at;
}

static inline const char *end_of_word(const char *at, const char *end)
{
	while (end - at >= CHARS_AT_ONCE) {
		unsigned count = chars_of_word(at);
		at += count;
		if (count < CHARS_AT_ONCE)
			return at;
	}
	return end_of_class(at, end, CHAR_CONT);
}

/* The end of the word, integer, punctuation or lone operator that starts at `start`; NULL: it needs a closer look. */
static inline const char *simple_end(const char *start, const char *end, enum token_class *class_out)
{
	uint8_t class = char_classes[(uint8_t)*start];
	const char *at = start + 1;
	if (class & CHAR_START) {
		*class_out = TOKEN_WORD;
		at = end_of_word(at, end);
		return at - start == 1 && at < end && (*at == '\'' || *at == '&') ? NULL : at;
	}
	if (class & CHAR_DIGIT) {
		*class_out = TOKEN_NUMBER;
		at = end_of_class(at, end, CHAR_DIGIT);
		return at < end && (*at == '.' || (char_classes[(uint8_t)*at] & CHAR_CONT)) ? NULL : at;
	}
	if (class & CHAR_SELF) {
		*class_out = TOKEN_PUNCTUATION;
		return *start == '.' || *start == ':' ? NULL : at;
	}
	*class_out = TOKEN_OPERATOR;
	return (class & CHAR_OPERATOR) && at < end && !(char_classes[(uint8_t)*at] & CHAR_OPERATOR) ? at : NULL;
}

/* Simple tokens with blanks between them, which are most of any text: what scan_token would find, up to the
 * first thing that needs a closer look. */
static void scan_simple(struct scan *s)
{
	struct token_list *tokens = s->tokens;
	if (s->at == s->len)
		return;
	if (!tokens->capacity)
		grow(tokens);
	const char *const data = s->data, *const end = data + s->len, *at = data + s->at;
	struct token *out = tokens->items + tokens->count, *full = tokens->items + tokens->capacity;
	for (;;) {
		enum token_class class;
		const char *start = at < end && *at == ' ' ? at + 1 : at;
		if (start < end && (char_classes[(uint8_t)*start] & CHAR_SPACE))
			start = end_of_class(start, end, CHAR_SPACE);
		const char *stop_at = start < end ? simple_end(start, end, &class) : NULL;
		if (!stop_at)
			break;
		if (out == full) {
			tokens->count = tokens->capacity;
			grow(tokens);
			out = tokens->items + tokens->count;
			full = tokens->items + tokens->capacity;
		}
		uint32_t len = (uint32_t)(stop_at - start);
		*out++ = (struct token){ .offset = (uint32_t)(start - data), .len = len, .body_len = len,
					 .class = (uint8_t)class, .digits = class == TOKEN_NUMBER };
		at = stop_at;
	}
	tokens->count = (size_t)(out - tokens->items);
	s->at = (size_t)(at - data);
}

/* One long text must not keep its tokens' room for ever. */
static void give_back(struct token_list *tokens, size_t text_len)
{
	if (tokens->capacity > TOKENS_KEPT && text_len < TOKENS_KEPT)
		token_list_deinit(tokens);
}

void lexer_run(struct slice text, bool standard_strings, struct token_list *tokens)
{
	give_back(tokens, text.len);
	tokens->count = 0;
	tokens->status = LEXER_OK;
	tokens->end = text.len;
	tokens->has_comments = false;
	struct scan s = { text.data, text.len, 0, standard_strings, tokens };
	if (text.len >= UINT32_MAX / 4) {
		stop(&s, LEXER_TOO_LONG, 0);
		return;
	}
	do {
		scan_simple(&s);
	} while (skip_trivia(&s) && s.at < s.len && scan_token(&s));
}

/* ---- looking at tokens ---- */

static void blank_gap(char *copy, size_t at, size_t end)
{
	while (at < end) {
		size_t stop_at = at;
		if (copy[at] == '-')
			stop_at = line_comment_end(copy, end, at);
		else if (copy[at] == '/')
			stop_at = block_comment_end(copy, end, at);
		if (stop_at > at)
			memset(copy + at, ' ', stop_at - at);
		at = stop_at > at ? stop_at : at + 1;
	}
}

/* Comments between the pieces of one literal, and before UESCAPE. */
static void blank_inside(char *copy, const struct token *token)
{
	size_t end = token->offset + token->len;
	if (token->body_len < token->len)
		blank_gap(copy, token->offset + token->body_len, end);
	if (token->class < TOKEN_STRING || token->class > TOKEN_NSTRING || token->class == TOKEN_DOLLAR)
		return;
	bool inside = true;
	size_t at = token->offset + (size_t)(strchr(copy + token->offset, '\'') - (copy + token->offset)) + 1;
	end = token->offset + token->body_len;
	for (; at < end; at++) {
		if (inside && token->class == TOKEN_ESTRING && copy[at] == '\\') {
			at++;
		} else if (copy[at] == '\'') {
			inside = !inside;
		} else if (!inside && copy[at] == '-') {
			size_t stop_at = line_comment_end(copy, end, at);
			memset(copy + at, ' ', stop_at - at);
			at = stop_at - 1;
		}
	}
}

void lexer_blank_comments(struct slice text, const struct token_list *tokens, char *copy)
{
	if (text.len)
		memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	if (!tokens->has_comments)
		return;
	size_t at = 0;
	for (size_t i = 0; i < tokens->count; i++) {
		const struct token *token = &tokens->items[i];
		blank_gap(copy, at, token->offset);
		blank_inside(copy, token);
		at = token->offset + token->len;
	}
	blank_gap(copy, at, tokens->end);
}

size_t token_at(const struct token_list *tokens, size_t offset)
{
	size_t low = 0, high = tokens->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct token *token = &tokens->items[middle];
		if (token->offset + token->len <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < tokens->count && tokens->items[low].offset <= offset ? low : tokens->count;
}

bool token_is(struct slice text, const struct token *token, const char *punctuation)
{
	return (token->class == TOKEN_PUNCTUATION || token->class == TOKEN_OPERATOR) &&
	       slice_is(token_text(text, token), punctuation);
}

bool token_is_word(struct slice text, const struct token *token, const char *keyword)
{
	if (token->class != TOKEN_WORD || strlen(keyword) != token->len)
		return false;
	return strncasecmp(text.data + token->offset, keyword, token->len) == 0;
}
