#include "rewrite/origin.h"

#include "base/hash.h"

#include <string.h>

enum { COMMENT_MAX_BYTES = 4096, PAIRS_MAX = 64 };

static const char *const key_names[ORIGIN_KEY_COUNT] = { "application", "controller", "route", "action" };

struct reader {
	const char *at, *end;
};

static void skip_space(struct reader *reader)
{
	while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) && *reader->at)
		reader->at++;
}

static bool take(struct reader *reader, char c)
{
	skip_space(reader);
	if (reader->at == reader->end || *reader->at != c)
		return false;
	reader->at++;
	return true;
}

static bool is_key_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("_-.%", c);
}

static struct slice take_key(struct reader *reader)
{
	skip_space(reader);
	const char *start = reader->at;
	while (reader->at < reader->end && *reader->at && is_key_byte(*reader->at))
		reader->at++;
	return slice_of(start, (size_t)(reader->at - start));
}

/* Up to the closing quote; a backslash takes the next byte as it is. */
static bool take_value(struct reader *reader, struct slice *value_out)
{
	if (!take(reader, '\''))
		return false;
	const char *start = reader->at;
	while (reader->at < reader->end && *reader->at != '\'')
		reader->at += *reader->at == '\\' && reader->at + 1 < reader->end ? 2 : 1;
	if (reader->at >= reader->end)
		return false;
	*value_out = slice_of(start, (size_t)(reader->at - start));
	reader->at++;
	return true;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of the value; a NUL would end it, so it becomes a space. */
static char decode_byte(struct slice value, size_t *at)
{
	const char *c = value.data + *at;
	size_t left = value.len - *at;
	if (*c == '%' && left > 2 && hex(c[1]) >= 0 && hex(c[2]) >= 0) {
		*at += 3;
		int byte = hex(c[1]) << 4 | hex(c[2]);
		return byte ? (char)byte : ' ';
	}
	bool escaped = *c == '\\' && left > 1;
	*at += escaped ? 2 : 1;
	return escaped ? c[1] : *c;
}

static void decode(struct slice value, char out[ORIGIN_VALUE_BYTES])
{
	size_t len = 0;
	for (size_t at = 0; at < value.len && len + 1 < ORIGIN_VALUE_BYTES;)
		out[len++] = decode_byte(value, &at);
	memset(out + len, 0, ORIGIN_VALUE_BYTES - len); /* all of it is hashed */
}

static void keep(struct slice key, struct slice value, struct origin *origin)
{
	for (int i = 0; i < ORIGIN_KEY_COUNT; i++) {
		if (slice_is(key, key_names[i]))
			decode(value, origin->values[i]);
	}
}

static bool has_any(const struct origin *origin)
{
	for (int i = 0; i < ORIGIN_KEY_COUNT; i++) {
		if (origin->values[i][0])
			return true;
	}
	return false;
}

/* All of it must be as sqlcommenter has it, or it is some other comment. */
static bool read_pairs(struct reader *reader, struct origin *origin)
{
	for (int i = 0; i < PAIRS_MAX; i++) {
		struct slice key = take_key(reader), value;
		if (!key.len || !take(reader, '=') || !take_value(reader, &value))
			return false;
		keep(key, value, origin);
		if (!take(reader, ',')) {
			skip_space(reader);
			return has_any(origin) && reader->at == reader->end;
		}
	}
	return false;
}

/* The last comment's content. */
static bool find_comment(struct slice sql, struct reader *reader_out)
{
	size_t end = sql.len;
	while (end && strchr(" ;\n", sql.data[end - 1]) && sql.data[end - 1])
		end--;
	if (end < 4 || sql.data[end - 1] != '/' || sql.data[end - 2] != '*')
		return false;
	size_t least = end > COMMENT_MAX_BYTES ? end - COMMENT_MAX_BYTES : 0;
	for (size_t at = end - 4; ; at--) {
		if (sql.data[at] == '/' && sql.data[at + 1] == '*') {
			*reader_out = (struct reader){ sql.data + at + 2, sql.data + end - 2 };
			return true;
		}
		if (at == least)
			return false;
	}
}

bool origin_read(struct slice sql, struct origin *origin_out)
{
	struct origin origin;
	struct reader reader;
	memset(&origin, 0, sizeof(origin));
	if (!find_comment(sql, &reader) || !read_pairs(&reader, &origin))
		return false;
	origin.hash = hash_of_bytes(origin.values, sizeof(origin.values), 0);
	*origin_out = origin;
	return true;
}
