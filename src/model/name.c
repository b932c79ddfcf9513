#include "model/name.h"

#include <ctype.h>
#include <string.h>

static bool text_eq(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool name_is_word(const char *name)
{
	return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_$")] == '\0';
}

bool rel_name_eq(struct rel_name a, struct rel_name b)
{
	return text_eq(a.schema, b.schema) && text_eq(a.name, b.name);
}

struct rel_name rel_name_copy(struct arena *arena, struct rel_name name)
{
	return (struct rel_name){ arena_strdup(arena, name.schema), arena_strdup(arena, name.name) };
}

/* Reserved and type-function keywords are quoted without asking which: a
 * needless pair of quotes is harmless, a missing one is not. */
static bool is_plain_word(const char *name)
{
	if (!(name[0] == '_' || (name[0] >= 'a' && name[0] <= 'z')))
		return false;
	for (const char *c = name; *c; c++) {
		if (!(*c == '_' || (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9')))
			return false;
	}
	return true;
}

static const char *const keywords[] = {
	"all",		"analyse",     "analyze",      "and",	       "any",	       "array",
	"as",		"asc",	       "asymmetric",   "authorization", "between",      "bigint",
	"binary",	"bit",	       "boolean",      "both",	       "case",	       "cast",
	"char",		"character",   "check",	       "coalesce",     "collate",      "collation",
	"column",	"concurrently", "constraint",  "create",       "cross",	       "current_catalog",
	"current_date", "current_role", "current_schema", "current_time", "current_timestamp",
	"current_user", "dec",	       "decimal",      "default",      "deferrable",   "desc",
	"distinct",	"do",	       "else",	       "end",	       "except",       "exists",
	"extract",	"false",       "fetch",	       "float",	       "for",	       "foreign",
	"freeze",	"from",	       "full",	       "grant",	       "greatest",     "group",
	"grouping",	"having",      "ilike",	       "in",	       "initially",    "inner",
	"inout",	"int",	       "integer",      "intersect",    "interval",     "into",
	"is",		"isnull",      "join",	       "json",	       "json_array",   "json_arrayagg",
	"json_exists",	"json_object", "json_objectagg", "json_query", "json_scalar",  "json_serialize",
	"json_table",	"json_value",  "lateral",      "leading",      "least",	       "left",
	"like",		"limit",       "localtime",    "localtimestamp", "merge_action", "national",
	"natural",	"nchar",       "none",	       "normalize",    "not",	       "notnull",
	"null",		"nullif",      "numeric",      "offset",       "on",	       "only",
	"or",		"order",       "out",	       "outer",	       "overlaps",     "overlay",
	"placing",	"position",    "precision",    "primary",      "real",	       "references",
	"returning",	"right",       "row",	       "select",       "session_user", "setof",
	"similar",	"smallint",    "some",	       "substring",    "symmetric",    "system_user",
	"table",	"tablesample", "then",	       "time",	       "timestamp",    "to",
	"trailing",	"treat",       "trim",	       "true",	       "union",	       "unique",
	"user",		"using",       "values",       "varchar",      "variadic",     "verbose",
	"when",		"where",       "window",       "with",	       "xmlattributes", "xmlconcat",
	"xmlelement",	"xmlexists",   "xmlforest",    "xmlnamespaces", "xmlparse",    "xmlpi",
	"xmlroot",	"xmlserialize", "xmltable",
};

static bool is_keyword(const char *name)
{
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
		if (strcmp(keywords[i], name) == 0)
			return true;
	}
	return false;
}

void name_append_quoted(struct buf *out, const char *name)
{
	if (is_plain_word(name) && !is_keyword(name)) {
		buf_append_str(out, name);
		return;
	}
	buf_append_byte(out, '"');
	for (const char *c = name; *c; c++) {
		if (*c == '"')
			buf_append_byte(out, '"');
		buf_append_byte(out, (uint8_t)*c);
	}
	buf_append_byte(out, '"');
}

void rel_name_append(struct buf *out, struct rel_name name)
{
	if (name.schema) {
		name_append_quoted(out, name.schema);
		buf_append_byte(out, '.');
	}
	name_append_quoted(out, name.name);
}

const char *name_print_quoted(struct arena *arena, const char *name)
{
	struct buf buf;
	buf_init(&buf);
	name_append_quoted(&buf, name);
	const char *text = arena_copy(arena, buf.data ? buf.data : "", buf.len);
	buf_deinit(&buf);
	return text;
}

const char *rel_name_print(struct arena *arena, struct rel_name name)
{
	struct buf text;
	buf_init(&text);
	rel_name_append(&text, name);
	const char *copy = arena_copy(arena, text.data, text.len);
	buf_deinit(&text);
	return copy;
}

static size_t skip_space(struct slice text, size_t at)
{
	while (at < text.len && isspace((unsigned char)text.data[at]))
		at++;
	return at;
}

static size_t cut_length(const char *name, size_t len)
{
	if (len <= NAME_MAX_BYTES)
		return len;
	len = NAME_MAX_BYTES;
	while (len > 0 && ((unsigned char)name[len] & 0xC0) == 0x80)
		len--;
	return len;
}

/* Reads one identifier at *at; NULL when there is none. */
static char *parse_quoted(struct arena *arena, struct slice text, size_t *at)
{
	struct buf name;
	buf_init(&name);
	size_t i = *at + 1;
	for (;; i++) {
		if (i >= text.len) {
			buf_deinit(&name);
			return NULL;
		}
		if (text.data[i] == '"' && !(i + 1 < text.len && text.data[i + 1] == '"'))
			break;
		if (text.data[i] == '"')
			i++;
		buf_append_byte(&name, (uint8_t)text.data[i]);
	}
	*at = i + 1;
	/* SET search_path = '' is the list of one empty name, which no schema has. */
	char *copy = name.len ? arena_copy(arena, name.data, cut_length(name.data, name.len)) : arena_strdup(arena, "");
	buf_deinit(&name);
	return copy;
}

static char *parse_word(struct arena *arena, struct slice text, size_t *at)
{
	size_t start = *at, end = start;
	while (end < text.len && text.data[end] != ',' && !isspace((unsigned char)text.data[end]))
		end++;
	if (end == start)
		return NULL;
	char *copy = arena_copy(arena, text.data + start, cut_length(text.data + start, end - start));
	for (char *c = copy; *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
	*at = end;
	return copy;
}

bool name_list_parse(struct arena *arena, struct slice text, struct name_list *list_out)
{
	size_t commas = 0;
	for (size_t i = 0; i < text.len; i++)
		commas += text.data[i] == ',';
	struct name_list list = { ARENA_ARRAY(arena, commas + 1, const char *), 0 };
	size_t at = skip_space(text, 0);
	while (at < text.len) {
		const char *name = text.data[at] == '"' ? parse_quoted(arena, text, &at)
							: parse_word(arena, text, &at);
		if (!name)
			return false;
		list.names[list.count++] = name;
		at = skip_space(text, at);
		if (at == text.len)
			break;
		if (text.data[at] != ',')
			return false;
		at = skip_space(text, at + 1);
		if (at == text.len)
			return false;
	}
	*list_out = list;
	return true;
}
