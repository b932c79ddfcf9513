#include "check/types.h"

#include <criterion/criterion.h>

static bool loses(const char *from, const char *to)
{
	struct arena arena;
	arena_init(&arena);
	bool loss = types_loss(&arena, from, to) != NULL;
	arena_deinit(&arena);
	return loss;
}

struct row {
	const char *from, *to;
	bool loses;
};

static const struct row rows[] = {
	{ "numeric(12,2)", "numeric(12,2)", false },
	{ "numeric(12,2)", "numeric(14,2)", false },
	{ "numeric(12,2)", "numeric(10,2)", true },
	{ "numeric(12,2)", "numeric(12,1)", true },
	{ "numeric(12,2)", "numeric(14,4)", false },
	{ "numeric(12,2)", "numeric(12,4)", true },
	{ "numeric", "numeric(30,2)", true },
	{ "numeric(12,2)", "numeric", false },
	{ "numeric(4,0)", "integer", false },
	{ "numeric(12,2)", "integer", true },
	{ "integer", "numeric(10,0)", false },
	{ "integer", "numeric(8,2)", true },
	{ "bigint", "integer", true },
	{ "smallint", "int", false },
	{ "integer", "real", true },
	{ "integer", "double precision", false },
	{ "bigint", "double precision", true },
	{ "real", "double precision", false },
	{ "double precision", "real", true },
	{ "double precision", "numeric", true }, /* 15 digits */
	{ "real", "numeric", true },
	{ "numeric(8,4)", "double precision", true },
	{ "varchar(10)", "character varying(10)", false },
	{ "varchar(10)", "varchar(5)", true },
	{ "varchar(10)", "text", false },
	{ "text", "varchar(100)", true },
	{ "integer", "text", false },
	{ "timestamptz", "timestamp", true },
	{ "timestamp", "timestamptz", false },
	{ "timestamptz", "date", true },
	{ "date", "timestamptz", false },
	{ "timestamp(6)", "timestamp(3)", true },
	{ "timestamp(3)", "timestamp", false },
	{ "jsonb", "json", false },
	{ "json", "jsonb", true },
	{ "text", "jsonb", true },
	{ "uuid", "text", false },
	{ "numeric(", "numeric()", true },
	{ "", "integer", true },
};

Test(types, what_a_value_loses)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(loses(rows[i].from, rows[i].to), rows[i].loses, "%s to %s", rows[i].from, rows[i].to);
}
