#include "rewrite/skeleton.h"

#include "rewrite/chars.h"

/* Heads of what is written; a single punctuation character stands for itself. */
enum {
	HEAD_TOKEN = 0x80, /* plus the class: length and bytes follow, or nothing for literals */
	HEAD_LIST = 0xA0,  /* the member before it is there more than once */
	HEAD_LIST_PARAM,   /* a parameter of whatever number */
	LONG_BYTES = 255,
	INTEGER_DIGITS = 10, /* numbers of fewer fit into 32 bits */
};

void skeleton_init(struct skeleton *skeleton)
{
	buf_init(&skeleton->bytes);
	skeleton->list_count = 0;
}

void skeleton_deinit(struct skeleton *skeleton)
{
	buf_deinit(&skeleton->bytes);
	skeleton_init(skeleton);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* 1, 1.5, .5, 1e5: whatever the server's version, one number. */
static bool is_plain_number(const char *data, size_t len)
{
	size_t i = 0;
	while (i < len && is_digit(data[i]))
		i++;
	if (i < len && data[i] == '.')
		i++;
	while (i < len && is_digit(data[i]))
		i++;
	if (i < len && (data[i] | 0x20) == 'e') {
		i++;
		if (i < len && (data[i] == '+' || data[i] == '-'))
			i++;
		if (i == len)
			return false;
		while (i < len && is_digit(data[i]))
			i++;
	}
	return i == len;
}

bool skeleton_is_integer(struct slice number)
{
	for (size_t i = 0; i < number.len; i++) {
		if (!is_digit(number.data[i]))
			return false;
	}
	return number.len < INTEGER_DIGITS;
}

static inline char *put_length(char *at, size_t len)
{
	if (len < LONG_BYTES) {
		*at++ = (char)len;
		return at;
	}
	*at++ = (char)LONG_BYTES;
	for (int shift = 24; shift >= 0; shift -= 8)
		*at++ = (char)(len >> shift);
	return at;
}

/* left: bytes of the text from data on. What is written may be up to CHARS_AT_ONCE bytes more. */
static inline char *put_word(char *at, const char *data, size_t len, size_t left)
{
	at = put_length(at, len);
	size_t i = 0;
	for (; i < len && i + CHARS_AT_ONCE <= left; i += CHARS_AT_ONCE)
		chars_fold(at + i, data + i);
	for (; i < len; i++)
		at[i] = (char)(data[i] >= 'A' && data[i] <= 'Z' ? data[i] + 32 : data[i]);
	return at + len;
}

/* NULL: whether it is one number depends on the server's version. */
static inline char *put_number(char *at, struct slice number, bool digits)
{
	bool integer = digits ? number.len < INTEGER_DIGITS : skeleton_is_integer(number);
	*at++ = (char)integer;
	return integer || is_plain_number(number.data, number.len) ? at : NULL;
}

/* NULL: this token rules a skeleton out. */
static char *put_token(char *at, struct slice text, const struct token *token, bool in_list)
{
	const char *data = text.data + token->offset;
	if (token->class == TOKEN_PUNCTUATION && token->len == 1) {
		*at++ = *data;
		return at;
	}
	if (in_list && token->class == TOKEN_PARAM) {
		*at++ = (char)HEAD_LIST_PARAM;
		return at;
	}
	*at++ = (char)(HEAD_TOKEN + token->class);
	switch (token->class) {
	case TOKEN_WORD:
		return put_word(at, data, token->len, text.len - token->offset);
	case TOKEN_NUMBER:
		return put_number(at, slice_of(data, token->len), token->digits);
	case TOKEN_STRING:
	case TOKEN_ESTRING:
	case TOKEN_USTRING:
	case TOKEN_DOLLAR:
	case TOKEN_NSTRING:
		return at;
	case TOKEN_BITS:
		*at++ = (char)(*data | 0x20);
		return at;
	}
	at = put_length(at, token->len);
	memcpy(at, data, token->len);
	return at + token->len;
}

/* A token of n bytes takes at most n + 6, and of a list HEAD_LIST is one more; words need some at the end. */
static size_t room_for(struct slice text, const struct token_list *tokens)
{
	return text.len + tokens->count * 7 + CHARS_AT_ONCE;
}

static bool begins_list(struct slice text, const struct token_list *tokens, size_t i)
{
	return tokens->items[i].len == 1 && text.data[tokens->items[i].offset] == '(' && i > 0 &&
	       tokens->items[i - 1].class == TOKEN_WORD &&
	       (tokens->items[i - 1].len == 2 || tokens->items[i - 1].len == 6);
}

static char *put_list(struct skeleton *skeleton, char *at, struct slice text, const struct token_list *tokens,
		      const struct value_list *list)
{
	for (size_t i = list->first; i < list->one_end && at; i++)
		at = put_token(at, text, &tokens->items[i], true);
	/* Numbers of the members left out must be plain, too. */
	char scratch[16];
	for (size_t i = list->one_end; i < list->end && at; i++) {
		const struct token *token = &tokens->items[i];
		if (token->class == TOKEN_NUMBER && !put_token(scratch, text, token, true))
			return NULL;
	}
	if (at)
		*at++ = (char)HEAD_LIST;
	skeleton->lists[skeleton->list_count++] = *list;
	return at;
}

bool skeleton_build(struct skeleton *skeleton, struct slice text, const struct token_list *tokens)
{
	buf_clear(&skeleton->bytes);
	skeleton->list_count = 0;
	if (tokens->status != LEXER_OK || tokens->count == 0)
		return false;
	if (skeleton->bytes.capacity < room_for(text, tokens))
		buf_reserve(&skeleton->bytes, room_for(text, tokens));
	char *at = skeleton->bytes.data;
	for (size_t i = 0; i < tokens->count && at;) {
		const struct token *token = &tokens->items[i];
		struct value_list list;
		if (token->class == TOKEN_WORD) {
			*at++ = (char)(HEAD_TOKEN + TOKEN_WORD);
			at = put_word(at, text.data + token->offset, token->len, text.len - token->offset);
			i++;
		} else if (token->class == TOKEN_OPERATOR && token->len == 1) {
			*at++ = (char)(HEAD_TOKEN + TOKEN_OPERATOR);
			*at++ = 1;
			*at++ = text.data[token->offset];
			i++;
		} else if (begins_list(text, tokens, i) && skeleton->list_count < SKELETON_LISTS_MAX &&
			   value_list_at(text, tokens, i, tokens->count, VALUES_OF_ONE_CLASS, &list)) {
			if (list.first > i)
				at = put_token(at, text, token, false);
			at = put_list(skeleton, at, text, tokens, &list);
			i = list.end;
		} else {
			at = put_token(at, text, token, false);
			i++;
		}
	}
	if (!at)
		return false;
	skeleton->bytes.len = (size_t)(at - skeleton->bytes.data);
	return true;
}

bool skeleton_place(const struct skeleton *skeleton, size_t token, size_t *place_out)
{
	size_t lost = 0;
	for (size_t i = 0; i < skeleton->list_count && token >= skeleton->lists[i].first; i++) {
		if (token < skeleton->lists[i].end)
			return false;
		lost += skeleton->lists[i].end - skeleton->lists[i].one_end;
	}
	*place_out = token - lost;
	return true;
}

size_t skeleton_token(const struct skeleton *skeleton, size_t place)
{
	for (size_t i = 0; i < skeleton->list_count && place >= skeleton->lists[i].one_end; i++)
		place += skeleton->lists[i].end - skeleton->lists[i].one_end;
	return place;
}
