#include "model/use.h"

#include <criterion/criterion.h>

#include <stdio.h>

Test(use, shape_copies_and_merges_equal_uses)
{
	struct use uses[] = {
		{ .entry = 3, .side = SIDE_OLD, .kind = USE_SELECT, .written = { "public", "prices" }, .table = "public.prices" },
		{ .entry = 3, .side = SIDE_OLD, .kind = USE_SELECT, .flags = USE_REWRITTEN, .written = { NULL, "prices" }, .table = "public.prices" },
		{ .entry = 3, .side = SIDE_NEW, .kind = USE_SELECT, .written = { "data", "prices" }, .table = "public.prices" },
	};
	char text[] = "SELECT $1";
	struct statement_shape *shape = statement_shape_new(slice_str(text), uses, 3);
	memset(text, 'x', sizeof(text) - 1);
	cr_assert_eq(shape->use_count, 2);
	cr_assert_eq(shape->uses[0].flags, USE_REWRITTEN);
	cr_assert(slice_is(shape->text, "SELECT $1"));
	cr_assert_str_eq(shape->uses[1].written.schema, "data");
	cr_assert_gt(shape->bytes, sizeof(*shape));
	statement_shape_unref(statement_shape_ref(shape));
	statement_shape_unref(shape);
}

static struct use used(enum side side, const char *const *columns, uint16_t count)
{
	return (struct use){ .entry = 1, .side = (uint8_t)side, .kind = USE_SELECT, .table = "public.prices",
			     .columns = columns, .column_count = count };
}

Test(use, shape_joins_and_sorts_the_columns_of_equal_uses)
{
	const char *first[] = { "volume", "close" }, *second[] = { "code", "close" }, *third[] = { "zone" };
	struct use uses[] = { used(SIDE_OLD, first, 2), used(SIDE_NEW, third, 1), used(SIDE_OLD, second, 2) };
	struct statement_shape *shape = statement_shape_new(slice_str("SELECT"), uses, 3);
	cr_assert_eq(shape->use_count, 2);
	cr_assert_eq(shape->uses[0].column_count, 3);
	cr_assert_str_eq(shape->uses[0].columns[0], "close");
	cr_assert_str_eq(shape->uses[0].columns[1], "code");
	cr_assert_str_eq(shape->uses[0].columns[2], "volume");
	cr_assert_str_eq(shape->uses[1].columns[0], "zone");
	cr_assert_neq(shape->uses[1].columns[0], third[0]);
	statement_shape_unref(shape);
}

Test(use, all_columns_of_one_use_are_all_of_its_equals)
{
	const char *some[] = { "close" };
	struct use uses[] = { used(SIDE_OLD, some, 1), used(SIDE_OLD, NULL, 0) };
	uses[1].all_columns = true;
	struct statement_shape *shape = statement_shape_new(slice_str("SELECT"), uses, 2);
	cr_assert(shape->uses[0].all_columns);
	cr_assert_eq(shape->uses[0].column_count, 0);
	statement_shape_unref(shape);
}

Test(use, too_many_columns_are_all)
{
	static char names[2 * USE_COLUMNS_MAX][8];
	const char *half[2][USE_COLUMNS_MAX];
	for (int i = 0; i < 2 * USE_COLUMNS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "c%d", i);
		half[i / USE_COLUMNS_MAX][i % USE_COLUMNS_MAX] = names[i];
	}
	struct use uses[] = { used(SIDE_OLD, half[0], USE_COLUMNS_MAX), used(SIDE_OLD, half[1], USE_COLUMNS_MAX) };
	struct statement_shape *shape = statement_shape_new(slice_str("SELECT"), uses, 2);
	cr_assert(shape->uses[0].all_columns);
	statement_shape_unref(shape);
	shape = statement_shape_new(slice_str("SELECT"), uses, 1);
	cr_assert_eq(shape->uses[0].column_count, USE_COLUMNS_MAX);
	statement_shape_unref(shape);
}
