#include "model/type_name.h"

#include "base/buf.h"

#include <ctype.h>
#include <strings.h>

struct alias {
	const char *name;
	const char *before; /* what stands before the modifier */
	const char *after;  /* and after it */
};

static const struct alias aliases[] = {
	{ "int", "integer", "" },
	{ "int4", "integer", "" },
	{ "int2", "smallint", "" },
	{ "int8", "bigint", "" },
	{ "float", "double precision", "" },
	{ "float4", "real", "" },
	{ "float8", "double precision", "" },
	{ "decimal", "numeric", "" },
	{ "dec", "numeric", "" },
	{ "bool", "boolean", "" },
	{ "varchar", "character varying", "" },
	{ "char varying", "character varying", "" },
	{ "char", "character", "" },
	{ "varbit", "bit varying", "" },
	{ "timestamp", "timestamp", " without time zone" },
	{ "timestamptz", "timestamp", " with time zone" },
	{ "time", "time", " without time zone" },
	{ "timetz", "time", " with time zone" },
};

/* "name", "(modifier)", "rest": "timestamp", "(3)", " with time zone[]". */
struct parts {
	struct slice name, modifier, rest;
};

static struct slice trimmed(const char *from, const char *end)
{
	while (from < end && from[0] == ' ')
		from++;
	while (end > from && end[-1] == ' ')
		end--;
	return slice_of(from, (size_t)(end - from));
}

static const char *squeeze(struct arena *arena, const char *type)
{
	char *text = arena_strdup(arena, type), *out = text;
	bool quoted = false;
	for (const char *in = text; *in; in++) {
		quoted ^= *in == '"';
		bool space = !quoted && isspace((unsigned char)*in);
		if (space && (out == text || out[-1] == ' ' || out[-1] == '(' || out[-1] == ','))
			continue;
		if (!quoted && strchr("(),[", *in) && out > text && out[-1] == ' ')
			out--;
		*out++ = space ? ' ' : quoted ? *in : (char)tolower((unsigned char)*in);
	}
	while (out > text && out[-1] == ' ')
		out--;
	*out = '\0';
	return text;
}

static struct parts split(const char *text)
{
	const char *open = NULL, *close = NULL, *array = NULL, *end = text + strlen(text);
	bool quoted = false;
	for (const char *c = text; c < end; c++) {
		quoted ^= *c == '"';
		if (quoted)
			continue;
		if (*c == '(' && !open)
			open = c;
		else if (*c == ')')
			close = c + 1;
		else if (*c == '[' && !array)
			array = c;
	}
	if (open && close > open)
		return (struct parts){ trimmed(text, open), slice_of(open, (size_t)(close - open)),
				       slice_of(close, (size_t)(end - close)) };
	if (!array)
		array = end;
	return (struct parts){ trimmed(text, array), { "", 0 }, slice_of(array, (size_t)(end - array)) };
}

static const struct alias *find_alias(struct slice name)
{
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		if (slice_is(name, aliases[i].name))
			return &aliases[i];
	}
	return NULL;
}

/* The standard lengths that SQL leaves out: char is char(1), bit is bit(1). */
static const char *implied_modifier(const struct parts *parts)
{
	bool one = slice_is(parts->name, "char") || slice_is(parts->name, "character") || slice_is(parts->name, "bit");
	return one && !parts->modifier.len ? "(1)" : "";
}

const char *type_name_canonical(struct arena *arena, const char *type)
{
	struct parts parts = split(squeeze(arena, type));
	const struct alias *alias = find_alias(parts.name);
	const char *after = alias ? alias->after : "";
	if (parts.rest.len && parts.rest.data[0] == ' ')
		after = ""; /* "timestamp(3) with time zone" says it itself */
	return arena_printf(arena, "%.*s%.*s%s%s%.*s", alias ? (int)strlen(alias->before) : (int)parts.name.len,
			    alias ? alias->before : parts.name.data, (int)parts.modifier.len, parts.modifier.data,
			    implied_modifier(&parts), after, (int)parts.rest.len, parts.rest.data);
}

bool type_name_same(const char *a, const char *b)
{
	struct arena arena;
	if (!a || !b)
		return false;
	arena_init(&arena);
	bool same = strcmp(type_name_canonical(&arena, a), type_name_canonical(&arena, b)) == 0;
	arena_deinit(&arena);
	return same;
}

const char *type_name_bare(struct arena *arena, const char *type)
{
	struct parts parts = split(type_name_canonical(arena, type));
	return arena_printf(arena, "%.*s%.*s", (int)parts.name.len, parts.name.data, (int)parts.rest.len,
			    parts.rest.data);
}
