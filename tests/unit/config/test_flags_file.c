#include "config/flags_file.h"

#include "bad_input.h"

static const struct bad_input bad_flags[] = {
	{ "[]\n", 1, 1, "a flags file must be a mapping (key: value), but is a list", NULL },
	{ "flag: {}\n", 1, 1, "unknown key `flag` in a flags file", "Did you mean `flags`?" },
	{ "flags: live\n", 1, 8, "`flags` must be a mapping (key: value), but is a text", NULL },
	{ "flags:\n  public.a: liev\n", 2, 13, "unknown stage `liev` for public.a", "Did you mean `live`?" },
	{ "flags:\n  public.a: LIVE\n", 2, 13, "unknown stage `LIVE` for public.a", "Did you mean `live`?" },
	{ "flags:\n  public.a: whatever\n", 2, 13, "unknown stage `whatever` for public.a", "Stages are old" },
	{ "flags:\n  public.a:\n", 2, 12, "a stage must be a text, but is empty", NULL },
	{ "flags:\n  public.a: {stage: live}\n", 2, 13, "a stage must be a text, but is a mapping", NULL },
	{ "flags:\n  a: live\n", 2, 3, "table name `a` has no schema", "public.a" },
	{ "flags:\n  a.*: live\n", 2, 3, "`a.*` is a pattern; a flag belongs to one table", NULL },
	{ "flags:\n  a.b.c: live\n", 2, 3, "table name `a.b.c` has more than two parts", NULL },
	{ "flags:\n  a.b: live\n  a.b: old\n", 3, 3, "key `a.b` is given twice, first in line 2", NULL },
	{ "flags:\n  a.b: live\n  c.d: old\n  A.B: old\n", 4, 3, "a.b has two flags, the first in line 2", NULL },
};

Test(flags_file, says_what_is_wrong_and_where)
{
	for (size_t i = 0; i < sizeof(bad_flags) / sizeof(bad_flags[0]); i++) {
		struct arena arena;
		struct flags flags = { .count = 77 };
		struct error error;
		arena_init(&arena);
		bool loaded = flags_file_parse(slice_str(bad_flags[i].text), "test.yaml", &arena, &flags, &error);
		expect_error(&bad_flags[i], loaded, &error);
		cr_expect_eq(flags.count, 77, "flags_out was touched");
		arena_deinit(&arena);
	}
}

Test(flags_file, keeps_tables_stages_and_places)
{
	struct arena arena;
	struct flags flags;
	struct error error;
	arena_init(&arena);
	cr_assert(flags_file_parse(slice_str("flags:\n  public.a: old\n  'x.\"Y\"': rampdown\n"), "test.yaml", &arena,
				   &flags, &error));
	cr_assert_eq(flags.count, 2);
	cr_expect_str_eq(flags.file, "test.yaml");
	cr_expect_eq(flags.items[0].stage, STAGE_OLD);
	cr_expect_str_eq(flags.items[1].table.name, "Y");
	cr_expect_eq(flags.items[1].stage, STAGE_RAMPDOWN);
	cr_expect_eq(flags.items[1].line, 3);
	arena_deinit(&arena);
}

Test(flags_file, nothing_means_no_flags)
{
	static const char *const texts[] = { "", "# only a comment\n", "flags:\n", "flags: {}\n", "---\n" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct arena arena;
		struct flags flags = { .count = 77 };
		struct error error;
		arena_init(&arena);
		cr_expect(flags_file_parse(slice_str(texts[i]), "test.yaml", &arena, &flags, &error), "%s", texts[i]);
		cr_expect_eq(flags.count, 0);
		arena_deinit(&arena);
	}
}
