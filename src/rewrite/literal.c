/* What tokens mean: identifiers and string literals decoded as the server would. */
#include "rewrite/lexer.h"

#include <stdint.h>

struct name_buffer {
	char *data;
	size_t len;
	bool full;
};

/* The server cuts names at 63 bytes, never inside a character. */
static void put_name(struct name_buffer *out, const char *bytes, size_t len)
{
	if (out->full || out->len + len > NAME_MAX_BYTES) {
		out->full = true;
		return;
	}
	memcpy(out->data + out->len, bytes, len);
	out->len += len;
}

static size_t character_length(const char *data, size_t len)
{
	uint8_t c = (uint8_t)*data;
	size_t want = c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF8 ? 4 : 1;
	return want < len ? want : len;
}

static size_t encode_utf8(uint32_t code, char out[4])
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xC0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3F));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xE0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3F));
		out[2] = (char)(0x80 | (code & 0x3F));
		return 3;
	}
	out[0] = (char)(0xF0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3F));
	out[2] = (char)(0x80 | (code >> 6 & 0x3F));
	out[3] = (char)(0x80 | (code & 0x3F));
	return 4;
}

static bool read_hex(struct slice text, size_t at, size_t digits, uint32_t *value_out)
{
	uint32_t value = 0;
	if (at + digits > text.len)
		return false;
	for (size_t i = at; i < at + digits; i++) {
		char c = text.data[i];
		uint32_t digit = c >= '0' && c <= '9'	? (uint32_t)(c - '0')
				 : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
				 : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
							: 16;
		if (digit == 16)
			return false;
		value = value << 4 | digit;
	}
	*value_out = value;
	return true;
}

/* One \XXXX, \+XXXXXX or doubled escape at *at; false when malformed. */
static bool read_unicode_unit(struct slice body, char escape, size_t *at, uint32_t *code_out)
{
	if (*at + 1 < body.len && body.data[*at + 1] == escape) {
		*code_out = (uint8_t)escape;
		*at += 2;
		return true;
	}
	if (read_hex(body, *at + 1, 4, code_out)) {
		*at += 5;
		return true;
	}
	if (*at + 1 < body.len && body.data[*at + 1] == '+' && read_hex(body, *at + 2, 6, code_out)) {
		*at += 8;
		return *code_out <= 0x10FFFF;
	}
	return false;
}

static bool read_unicode(struct slice body, char escape, size_t *at, uint32_t *code_out)
{
	uint32_t code, low;
	if (!read_unicode_unit(body, escape, at, &code))
		return false;
	if (code >= 0xD800 && code < 0xDC00) {
		if (*at >= body.len || body.data[*at] != escape ||
		    !read_unicode_unit(body, escape, at, &low) || low < 0xDC00 || low > 0xDFFF)
			return false;
		code = 0x10000 + ((code & 0x3FF) << 10) + (low & 0x3FF);
	}
	if (code == 0 || (code >= 0xDC00 && code <= 0xDFFF))
		return false;
	*code_out = code;
	return true;
}

static void decode_quoted(struct slice body, char escape, struct name_buffer *out)
{
	for (size_t i = 0; i < body.len;) {
		uint32_t code;
		if (escape && body.data[i] == escape) {
			char bytes[4];
			if (!read_unicode(body, escape, &i, &code)) {
				i++;
				continue;
			}
			put_name(out, bytes, encode_utf8(code, bytes));
			continue;
		}
		size_t len = character_length(body.data + i, body.len - i);
		put_name(out, body.data + i, len);
		i += body.data[i] == '"' ? 2 : len;
	}
}

size_t token_identifier(struct slice text, const struct token *token, char name_out[NAME_MAX_BYTES + 1])
{
	struct name_buffer out = { name_out, 0, false };
	const char *data = text.data + token->offset;
	if (token->class == TOKEN_WORD) {
		for (size_t i = 0; i < token->len;) {
			size_t len = character_length(data + i, token->len - i);
			char folded = (char)(data[i] >= 'A' && data[i] <= 'Z' ? data[i] + 32 : data[i]);
			put_name(&out, len == 1 ? &folded : data + i, len);
			i += len;
		}
	} else {
		size_t prefix = token->class == TOKEN_UQUOTED ? 3 : 1;
		decode_quoted(slice_of(data + prefix, token->body_len - prefix - 1), token->escape, &out);
	}
	name_out[out.len] = '\0';
	return out.len;
}

/* ---- strings ---- */

struct string_out {
	char *data;
	size_t len;
};

static void put_code(struct string_out *out, uint32_t code)
{
	out->len += encode_utf8(code, out->data + out->len);
}

/* Octal, hex or Unicode digits after a backslash; false when there are none. */
static bool read_digits(struct slice body, size_t *at, size_t most, uint32_t base, uint32_t *value_out)
{
	uint32_t value = 0, digit;
	size_t i = *at;
	for (; i < body.len && i < *at + most; i++) {
		if (!read_hex(body, i, 1, &digit) || digit >= base)
			break;
		value = value * base + digit;
	}
	if (i == *at)
		return false;
	*at = i;
	*value_out = value;
	return true;
}

static bool read_long_unicode(struct slice body, size_t *at, struct string_out *out)
{
	uint32_t code, low;
	size_t digits = body.data[*at] == 'U' ? 8 : 4;
	if (!read_hex(body, *at + 1, digits, &code))
		return false;
	*at += 1 + digits;
	if (code >= 0xD800 && code < 0xDC00) {
		if (*at + 1 >= body.len || body.data[*at] != '\\' || (body.data[*at + 1] | 0x20) != 'u')
			return false;
		digits = body.data[*at + 1] == 'U' ? 8 : 4;
		if (!read_hex(body, *at + 2, digits, &low) || low < 0xDC00 || low > 0xDFFF)
			return false;
		*at += 2 + digits;
		code = 0x10000 + ((code & 0x3FF) << 10) + (low & 0x3FF);
	}
	if (code == 0 || code > 0x10FFFF)
		return false;
	put_code(out, code);
	return true;
}

/* *at is after the backslash. */
static bool read_backslash(struct slice body, size_t *at, struct string_out *out)
{
	static const char plain[] = "bfnrtv", meant[] = "\b\f\n\r\t\v";
	uint32_t value;
	char c = body.data[*at];
	const char *found = strchr(plain, c);
	if (c == 'u' || c == 'U')
		return read_long_unicode(body, at, out);
	if (c == 'x') {
		(*at)++;
		if (!read_digits(body, at, 2, 16, &value))
			value = 'x';
	} else if (!read_digits(body, at, 3, 8, &value)) {
		value = (uint8_t)(found ? meant[found - plain] : c);
		(*at)++;
	}
	out->data[out->len++] = (char)value;
	return (char)value != '\0';
}

/* One piece between quotes. */
static bool decode_piece(struct slice body, const struct token *token, struct string_out *out)
{
	for (size_t i = 0; i < body.len;) {
		char c = body.data[i];
		uint32_t code;
		if (token->class == TOKEN_ESTRING && c == '\\' && i + 1 < body.len) {
			i++;
			if (!read_backslash(body, &i, out))
				return false;
		} else if (token->class == TOKEN_USTRING && c == token->escape) {
			if (!read_unicode(body, token->escape, &i, &code))
				return false;
			put_code(out, code);
		} else {
			out->data[out->len++] = c;
			i += c == '\'' ? 2 : 1;
		}
	}
	return true;
}

static size_t piece_end(struct slice all, size_t at, bool backslash)
{
	for (; at < all.len; at++) {
		if (backslash && all.data[at] == '\\')
			at++;
		else if (all.data[at] == '\'' && at + 1 < all.len && all.data[at + 1] == '\'')
			at++;
		else if (all.data[at] == '\'')
			break;
	}
	return at < all.len ? at : all.len;
}

/* The next piece of a literal starts at a quote, with white space and line comments before it. */
static size_t next_piece(struct slice all, size_t at)
{
	while (at < all.len && all.data[at] != '\'') {
		if (all.data[at] == '-') {
			while (at < all.len && all.data[at] != '\n' && all.data[at] != '\r')
				at++;
		} else {
			at++;
		}
	}
	return at;
}

bool token_string(struct arena *arena, struct slice text, const struct token *token, struct slice *value_out)
{
	struct slice all = slice_of(text.data + token->offset, token->body_len);
	/* An escape of n bytes never decodes to more than n. */
	struct string_out out = { arena_alloc(arena, all.len + 1), 0 };
	if (token->class == TOKEN_DOLLAR) {
		size_t tag = (size_t)((const char *)memchr(all.data + 1, '$', all.len - 1) - all.data) + 1;
		out.len = all.len - 2 * tag;
		memcpy(out.data, all.data + tag, out.len);
		*value_out = slice_of(out.data, out.len);
		return true;
	}
	if (token->class < TOKEN_STRING || token->class > TOKEN_NSTRING || token->class == TOKEN_BITS)
		return false;
	for (size_t at = next_piece(all, 0); at < all.len; at = next_piece(all, at + 1)) {
		size_t end = piece_end(all, at + 1, token->class == TOKEN_ESTRING);
		if (!decode_piece(slice_of(all.data + at + 1, end - at - 1), token, &out))
			return false;
		at = end;
	}
	*value_out = slice_of(out.data, out.len);
	return true;
}
