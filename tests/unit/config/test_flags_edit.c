#include "config/flags_edit.h"

#include <criterion/criterion.h>

static void expect_edit(const char *before, const char *after)
{
	struct rel_name table = { "public", "prices" };
	struct error error;
	struct buf out;
	buf_init(&out);
	bool ok = flags_edit(slice_str(before), "flags.yaml", table, STAGE_LIVE, &out, &error);
	if (after)
		cr_expect(ok && strcmp(buf_cstr(&out), after) == 0, "%s\nbecame\n%s", before, buf_cstr(&out));
	else
		cr_expect(!ok && out.len == 0, "%s\nbecame\n%s", before, buf_cstr(&out));
	buf_deinit(&out);
}

Test(flags_edit, keeps_everything_else_as_it_was_written)
{
	expect_edit("# ä\nflags:\n  public.prices: old   # why\n  public.x: old\n",
		    "# ä\nflags:\n  public.prices: live   # why\n  public.x: old\n");
	expect_edit("flags:\n    'Public.Prices' : \"old\"\n", "flags:\n    'Public.Prices' : live\n");
	expect_edit("flags: {public.x: old, public.prices: old}", "flags: {public.x: old, public.prices: live}");
}

Test(flags_edit, adds_a_table_where_tables_are)
{
	expect_edit("flags:\n  public.x: old # y\n\n# end\n", "flags:\n  public.x: old # y\n  public.prices: live\n\n# end\n");
	expect_edit("flags:\n  public.x: old", "flags:\n  public.x: old\n  public.prices: live\n");
	expect_edit("flags: {}\n", "flags: {public.prices: live}\n");
	expect_edit("flags: {public.x: old}\n", "flags: {public.prices: live, public.x: old}\n");
	expect_edit("flags:\n", "flags:\n  public.prices: live\n");
	expect_edit("# nothing yet\n", "# nothing yet\nflags:\n  public.prices: live\n");
	expect_edit("", "flags:\n  public.prices: live\n");
}

Test(flags_edit, refuses_what_it_cannot_change_for_sure)
{
	expect_edit("flags:\n  public.prices: |\n    old\n", NULL);
	expect_edit("flags: [\n", NULL);
	expect_edit("flags:\n  public.prices: lively\n", NULL);
}
