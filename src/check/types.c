#include "check/types.h"

#include "model/type_name.h"

#include <stdio.h>
#include <stdlib.h>

struct type {
	const char *bare; /* without a modifier */
	int length, scale; /* -1: unbounded */
};

static struct type read_type(struct arena *arena, const char *text)
{
	const char *canonical = type_name_canonical(arena, text);
	const char *open = strchr(canonical, '(');
	struct type type = { type_name_bare(arena, canonical), -1, -1 };
	int length = -1, scale = 0;
	if (open && sscanf(open, "(%d,%d", &length, &scale) >= 1) {
		type.length = length;
		type.scale = scale;
	}
	return type;
}

static bool is(const struct type *type, const char *name)
{
	return strcmp(type->bare, name) == 0;
}

/* Decimal digits that an integer type needs; 0: it is none. */
static int integer_digits(const struct type *type)
{
	return is(type, "smallint") ? 5 : is(type, "integer") ? 10 : is(type, "bigint") ? 19 : 0;
}

static bool is_text(const struct type *type)
{
	return is(type, "text") || is(type, "character varying") || is(type, "character");
}

static bool is_float(const struct type *type)
{
	return is(type, "real") || is(type, "double precision");
}

static const char *numeric_loss(struct arena *arena, const struct type *from, const struct type *to)
{
	if (to->length < 0)
		return NULL;
	int scale = from->length < 0 ? -1 : from->scale, digits = integer_digits(from);
	int before = digits ? digits : from->length < 0 ? -1 : from->length - from->scale;
	if (digits)
		scale = 0;
	int room = to->length - to->scale;
	if (before < 0 || before > room)
		return arena_printf(arena, "values with more than %d digits before the point do not fit", room > 0 ? room : 0);
	if (scale < 0 || scale > to->scale)
		return arena_printf(arena, "digits behind the %d. place are rounded away", to->scale);
	return NULL;
}

static const char *text_loss(struct arena *arena, const struct type *from, const struct type *to)
{
	if (to->length >= 0 && (from->length < 0 || from->length > to->length))
		return arena_printf(arena, "texts of more than %d characters do not fit", to->length);
	return NULL;
}

static const char *integer_loss(const struct type *from, const struct type *to)
{
	if (integer_digits(from))
		return integer_digits(from) > integer_digits(to) ? "large values do not fit" : NULL;
	return is(from, "numeric") && from->scale == 0 && from->length >= 0 && from->length < integer_digits(to)
		       ? NULL
		       : "fractions are rounded away, and large values do not fit";
}

static bool starts(const struct type *type, const char *text)
{
	return strncmp(type->bare, text, strlen(text)) == 0;
}

static const char *time_loss(const struct type *from, const struct type *to)
{
	bool from_zone = strstr(from->bare, "with time zone") != NULL;
	bool to_zone = strstr(to->bare, "with time zone") != NULL;
	if (starts(from, "timestamp") && is(to, "date"))
		return "the time of day is lost";
	if (starts(from, "timestamp") && starts(to, "timestamp")) {
		if (from_zone && !to_zone)
			return "the time zone is lost";
		int from_digits = from->length < 0 ? 6 : from->length, to_digits = to->length < 0 ? 6 : to->length;
		return from_digits > to_digits ? "fractions of a second are rounded" : NULL;
	}
	if (is(from, "date") && starts(to, "timestamp"))
		return NULL;
	return starts(from, "time ") && starts(to, "time ") && from_zone == to_zone ? NULL : "the types differ";
}

static const char *float_loss(const struct type *from, const struct type *to)
{
	if (to->length >= 0)
		return "values are rounded, and large ones do not fit";
	return is(from, "real") ? "the server's cast keeps 6 digits (with `::text::numeric` all)"
				: "the server's cast keeps 15 digits (with `::text::numeric` all)";
}

const char *types_loss(struct arena *arena, const char *from_text, const char *to_text)
{
	struct type from = read_type(arena, from_text), to = read_type(arena, to_text);
	if (type_name_same(from_text, to_text))
		return NULL;
	bool from_number = integer_digits(&from) || is(&from, "numeric") || is_float(&from);
	if (from_number && integer_digits(&to))
		return is_float(&from) ? "fractions are rounded away, and large values do not fit" : integer_loss(&from, &to);
	if (from_number && is(&to, "numeric"))
		return is_float(&from) ? float_loss(&from, &to) : numeric_loss(arena, &from, &to);
	if (from_number && is_float(&to)) {
		bool exact = (is(&from, "real") && is(&to, "double precision")) ||
			     (integer_digits(&from) && integer_digits(&from) <= (is(&to, "real") ? 5 : 10));
		return exact ? NULL : "values are rounded to binary fractions";
	}
	if (is_text(&to))
		return is_text(&from) ? text_loss(arena, &from, &to) : to.length < 0 ? NULL : text_loss(arena, &from, &to);
	if (starts(&from, "timestamp") || starts(&from, "time ") || is(&from, "date"))
		return time_loss(&from, &to);
	if (is(&from, "json") && is(&to, "jsonb"))
		return "the order of keys and repeated keys are lost";
	if (is(&from, "jsonb") && is(&to, "json"))
		return NULL;
	return "the types differ, and not every value may convert";
}
