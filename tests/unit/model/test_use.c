#include "model/use.h"

#include <criterion/criterion.h>

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
	statement_shape_unref(statement_shape_ref(shape));
	statement_shape_unref(shape);
}
