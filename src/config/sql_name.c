/* Names in configuration files, read as the server would read them. */
#include "config/sql_name.h"

#include <ctype.h>

static bool is_word_byte(unsigned char c, bool first)
{
	if (isalpha(c) || c == '_' || c >= 0x80)
		return true;
	return !first && (isdigit(c) || c == '$');
}

/* Both parsers move *at behind the part. */
static const char *parse_quoted(struct arena *arena, const char **at, const char **why_out)
{
	const char *c = *at + 1;
	char *part = arena_alloc(arena, strlen(c) + 1);
	size_t len = 0;
	for (;; c++) {
		if (*c == '\0') {
			*why_out = "has a double quote that is not closed";
			return NULL;
		}
		if (*c == '"' && *++c != '"')
			break;
		part[len++] = *c;
	}
	*at = c;
	if (len == 0)
		*why_out = "has an empty part";
	return len ? part : NULL;
}

static const char *parse_word(struct arena *arena, const char **at, const char **why_out)
{
	const char *start = *at, *end = start;
	while (is_word_byte((unsigned char)*end, end == start))
		end++;
	if (*end && *end != '.') {
		*why_out = "has characters that SQL takes only in double quotes";
		return NULL;
	}
	if (end == start) {
		*why_out = "has an empty part";
		return NULL;
	}
	char *part = arena_copy(arena, start, (size_t)(end - start));
	for (char *c = part; *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + ('a' - 'A')) : *c;
	*at = end;
	return part;
}

static const char *parse_part(struct arena *arena, const char **at, const char **why_out)
{
	const char *part = **at == '"' ? parse_quoted(arena, at, why_out) : parse_word(arena, at, why_out);
	if (part && strlen(part) > NAME_MAX_BYTES) {
		*why_out = "has a part longer than 63 bytes, which PostgreSQL would cut";
		return NULL;
	}
	return part;
}

bool sql_name_parse(struct arena *arena, const char *text, struct sql_name *name_out, const char **why_out)
{
	struct sql_name name = { 0 };
	const char *at = text;
	if (!*text) {
		*why_out = "is empty";
		return false;
	}
	name.name.name = parse_part(arena, &at, why_out);
	if (!name.name.name)
		return false;
	if (*at == '.') {
		at++;
		name.name.schema = name.name.name;
		name.star = strcmp(at, "*") == 0;
		if (name.star)
			at++;
		name.name.name = name.star ? "*" : parse_part(arena, &at, why_out);
		if (!name.name.name)
			return false;
	}
	if (*at) {
		*why_out = *at == '.' ? "has more than two parts" : "goes on behind a closing double quote";
		return false;
	}
	*name_out = name;
	return true;
}

bool sql_name_parse_full(struct arena *arena, const char *text, const char **database_out, struct rel_name *name_out,
			 const char **why_out)
{
	const char *parts[3] = { NULL }, *at = text;
	size_t count = 0;
	do {
		if (count == 3) {
			*why_out = "has more than three parts";
			return false;
		}
		at += count > 0;
		parts[count] = parse_part(arena, &at, why_out);
		if (!parts[count++])
			return false;
	} while (*at == '.');
	if (*at) {
		*why_out = "goes on behind a closing double quote";
		return false;
	}
	name_out->name = parts[count - 1];
	name_out->schema = count > 1 ? parts[count - 2] : NULL;
	*database_out = count > 2 ? parts[0] : NULL;
	return true;
}

bool sql_name_parse_single(struct arena *arena, const char *text, const char **name_out, const char **why_out)
{
	struct sql_name name;
	if (!sql_name_parse(arena, text, &name, why_out))
		return false;
	if (name.name.schema) {
		*why_out = "must be a single name without a dot";
		return false;
	}
	*name_out = name.name.name;
	return true;
}
