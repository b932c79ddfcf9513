/* What is learnt from one text and done to the next. */
#include "rewrite/rewrite_cache.h"
#include "rewrite/rewriter.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct ruleset *ruleset;
static struct rewriter *rewriter;
static struct session_state *state;

static void set_up(void)
{
	struct map *map = map_new();
	struct error error;
	struct flag flag = { .table = { "public", "prices" }, .stage = STAGE_LIVE };
	struct flags flags = { NULL, &flag, 1 };
	map->entries = ARENA_ARRAY(&map->arena, 1, struct map_entry);
	map->entry_count = 1;
	map->entries[0] = (struct map_entry){ .kind = MAP_MOVE,
					      .old_name = { "public", "prices" },
					      .new_name = { "data", "prices" },
					      .group = -1 };
	cr_assert(ruleset_build(map, &flags, NULL, (struct policy){ 0 }, 1, NULL, NULL, &ruleset, &error));
	map_unref(map);
	rewriter = rewriter_new(rewriter_settings_default());
	state = session_state_new("db", "u", "public");
	session_state_reported(state, "client_encoding", "UTF8");
}

static void tear_down(void)
{
	session_state_free(state);
	rewriter_free(rewriter);
	ruleset_unref(ruleset);
}

TestSuite(recipe, .init = set_up, .fini = tear_down);

static void expect(const char *sql, const char *rewritten)
{
	struct rewrite *rewrite = rewriter_run(rewriter, slice_str(sql), REWRITE_SIMPLE, state, ruleset);
	struct slice got = rewrite->outcome == REWRITE_REWRITTEN ? rewrite->sql : slice_str(sql);
	cr_expect(slice_is(got, rewritten), "%s became %.*s", sql, (int)got.len, got.data);
	rewrite_unref(rewrite);
}

static uint64_t learnt(void)
{
	return rewriter_cache_stats(rewriter).recipe_hits;
}

Test(recipe, the_third_text_is_not_parsed)
{
	expect("SELECT a FROM prices WHERE b = 1", "SELECT a FROM data.prices WHERE b = 1");
	expect("SELECT a FROM prices WHERE b = 22", "SELECT a FROM data.prices WHERE b = 22");
	cr_expect_eq(learnt(), 0);
	expect("select a /* why */ from Prices where B = 333 -- so", "select a /* why */ from data.prices where B = 333 -- so");
	expect("SELECT a FROM prices\nWHERE b = 4", "SELECT a FROM data.prices\nWHERE b = 4");
	cr_expect_eq(learnt(), 2);
	expect("SELECT a FROM prices WHERE b = '5'", "SELECT a FROM data.prices WHERE b = '5'");
	cr_expect_eq(learnt(), 2, "a string is no number");
}

Test(recipe, a_text_that_comes_again_and_again_is_found_as_it_is_after_many_others)
{
	char sql[80], rewritten[80];
	for (int i = 0; i < 500; i++) {
		snprintf(sql, sizeof(sql), "SELECT a FROM prices WHERE b = %d", i);
		snprintf(rewritten, sizeof(rewritten), "SELECT a FROM data.prices WHERE b = %d", i);
		expect(sql, rewritten);
	}
	uint64_t before = rewriter_cache_stats(rewriter).hits;
	for (int i = 0; i < 500; i++)
		expect("SELECT a FROM prices WHERE b = 7", "SELECT a FROM data.prices WHERE b = 7");
	cr_expect_gt(rewriter_cache_stats(rewriter).hits, before + 400);
}

Test(recipe, a_literal_that_was_looked_at_must_be_the_same)
{
	expect("SELECT 'prices'::regclass, 1", "SELECT 'data.prices'::regclass, 1");
	expect("SELECT 'prices'::regclass, 2", "SELECT 'data.prices'::regclass, 2");
	expect("SELECT 'prices'::regclass, 3", "SELECT 'data.prices'::regclass, 3");
	cr_expect_eq(learnt(), 1);
	expect("SELECT 'others'::regclass, 4", "SELECT 'others'::regclass, 4");
	expect("SELECT 'public.prices'::regclass, 5", "SELECT 'data.prices'::regclass, 5");
	cr_expect_eq(learnt(), 1);
}

Test(recipe, lists_may_be_of_any_length)
{
	expect("SELECT a FROM prices WHERE b IN (1, 2)", "SELECT a FROM data.prices WHERE b IN (1, 2)");
	expect("SELECT a FROM prices WHERE b IN (1, 2, 3)", "SELECT a FROM data.prices WHERE b IN (1, 2, 3)");
	expect("SELECT a FROM prices WHERE b IN (1, 2, 3, 4, 5)", "SELECT a FROM data.prices WHERE b IN (1, 2, 3, 4, 5)");
	cr_expect_eq(learnt(), 1);
	expect("INSERT INTO prices VALUES (1, 'a'), (2, 'b')", "INSERT INTO data.prices VALUES (1, 'a'), (2, 'b')");
	expect("INSERT INTO prices VALUES (3, 'a'), (2, 'b')", "INSERT INTO data.prices VALUES (3, 'a'), (2, 'b')");
	expect("INSERT INTO prices VALUES (3, 'a'), (2, 'b'), (4, '')",
	       "INSERT INTO data.prices VALUES (3, 'a'), (2, 'b'), (4, '')");
	cr_expect_eq(learnt(), 2);
}

/* How many bytes a text of so many rows is, rewritten; 0: it is not. */
static size_t rewrite_rows(int rows)
{
	struct buf text;
	buf_init(&text);
	buf_append_str(&text, "INSERT INTO prices (code, day, price) VALUES (1, 'a', 0.5)");
	for (int i = 1; i < rows; i++)
		buf_printf(&text, ", (%d, 'day %d', %d.25)", i, i, i);
	struct rewrite *rewrite = rewriter_run(rewriter, buf_slice(&text), REWRITE_SIMPLE, state, ruleset);
	size_t len = rewrite->outcome == REWRITE_REWRITTEN ? rewrite->sql.len : 0;
	cr_expect_eq(len, text.len + strlen("data."));
	cr_expect_eq(rewrite->statements[0].shape->use_count, 1);
	cr_expect(slice_is(rewrite->statements[0].shape->text,
			   "INSERT INTO prices (code, day, price) VALUES ($1, $2, $3), …"));
	rewrite_unref(rewrite);
	buf_deinit(&text);
	return len;
}

Test(recipe, long_lists_are_not_parsed)
{
	struct rewriter_settings settings = rewriter_settings_default();
	cr_expect(rewrite_rows(1000) > 0);
	cr_expect(rewrite_rows(20000) > 0 && rewrite_rows(20000) < settings.parse_bytes);
	cr_expect(learnt() >= 1);
}

Test(recipe, what_the_session_does_is_never_learnt)
{
	for (int i = 0; i < 4; i++) {
		char sql[100], out[100];
		snprintf(sql, sizeof(sql), "SELECT set_config('search_path', 'x%d', false) FROM prices", i);
		snprintf(out, sizeof(out), "SELECT set_config('search_path', 'x%d', false) FROM data.prices", i);
		expect(sql, out);
	}
	cr_expect_eq(learnt(), 0);
}

Test(recipe, texts_of_nothing_mapped_are_learnt_too)
{
	for (int i = 0; i < 5; i++) {
		char sql[100];
		snprintf(sql, sizeof(sql), "SELECT a FROM others WHERE b = %d", i);
		expect(sql, sql);
	}
	cr_expect_eq(learnt(), 3);
}

Test(recipe, one_off_texts_flush_nothing)
{
	char sql[100], out[120];
	for (int i = 0; i < 3; i++)
		expect("SELECT a FROM prices WHERE b = 'kept'", "SELECT a FROM data.prices WHERE b = 'kept'");
	for (int i = 0; i < 20000; i++) {
		snprintf(sql, sizeof(sql), "SELECT a%d FROM prices", i);
		snprintf(out, sizeof(out), "SELECT a%d FROM data.prices", i);
		expect(sql, out);
	}
	struct rewrite_cache_stats before = rewriter_cache_stats(rewriter);
	cr_expect(before.entries < 20000);
	expect("SELECT a FROM prices WHERE b = 'kept'", "SELECT a FROM data.prices WHERE b = 'kept'");
	cr_expect_eq(rewriter_cache_stats(rewriter).hits, before.hits + 1);
}

Test(recipe, many_open_rows_do_not_take_long)
{
	struct buf text;
	buf_init(&text);
	for (int i = 0; i < 60000; i++)
		buf_append_str(&text, "values (1,");
	struct rewrite *rewrite = rewriter_run(rewriter, buf_slice(&text), REWRITE_SIMPLE, state, ruleset);
	cr_expect_eq(rewrite->outcome, REWRITE_UNCHANGED);
	rewrite_unref(rewrite);
	buf_deinit(&text);
}
