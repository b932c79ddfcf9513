/* Hostile texts: deep, long, many. None may take the process with it. */
#include "rewrite/nesting.h"
#include "rewrite/parse.h"
#include "rewrite/rewrite_cache.h"
#include "rewrite/rewriter.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static struct ruleset *build_rules(void)
{
	struct map *map = map_new();
	struct error error;
	struct ruleset *ruleset;
	struct flag flag = { .table = { "public", "prices" }, .stage = STAGE_LIVE };
	struct flags flags = { NULL, &flag, 1 };
	map->old_label = "old";
	map->new_label = "new";
	map->entries = ARENA_ARRAY(&map->arena, 1, struct map_entry);
	map->entry_count = 1;
	map->entries[0] = (struct map_entry){ .kind = MAP_MOVE,
					      .old_name = { "public", "prices" },
					      .new_name = { "data", "prices" },
					      .group = -1 };
	cr_assert(ruleset_build(map, &flags, NULL, (struct policy){ 0 }, 1, NULL, NULL, &ruleset, &error));
	map_unref(map);
	return ruleset;
}

static void repeat(struct buf *out, const char *piece, size_t times)
{
	for (size_t i = 0; i < times; i++)
		buf_append_str(out, piece);
}

/* head + times × middle + tail + times × end */
struct shape_of_text {
	const char *head, *open, *tail, *close;
};

static const struct shape_of_text shapes[] = {
	{ "SELECT 1 FROM prices WHERE 1", "+1", " > 0", "" },
	{ "SELECT 1 FROM prices WHERE ", "(", "1 = 1", ")" },
	{ "SELECT 1 FROM prices WHERE ", "NOT ", "true", "" },
	{ "SELECT 1 FROM prices WHERE 1", "::int", " = 1", "" },
	{ "SELECT 1 FROM prices WHERE true", " IS NULL", "", "" },
	{ "SELECT 1 FROM prices WHERE ", "- ", "1 = 1", "" },
	{ "SELECT 1 FROM prices WHERE 1 = ", "(SELECT ", "1", ")" },
	{ "SELECT 1 FROM prices WHERE 1 = ", "CASE WHEN true THEN ", "1", " END" },
	{ "SELECT 1 FROM prices", " UNION SELECT 1 FROM prices", "", "" },
	{ "SELECT 1 FROM prices", " JOIN prices USING (a)", "", "" },
	{ "SELECT 1 FROM prices, ", "(SELECT * FROM ", "prices", ") x" },
	{ "SELECT 1 FROM prices WHERE a = ", "f(", "1", ")" },
	{ "SELECT 1 FROM prices WHERE a = ", "array[", "1", "]" },
	{ "SELECT 1 FROM prices WHERE a", " COLLATE x", " = 1", "" },
	{ "SELECT 1 FROM prices WHERE a", " AT TIME ZONE 'x'", " = 1", "" },
	{ "SELECT 1 FROM prices WHERE a BETWEEN 1 AND 2", " IS NULL", "", "" },
	{ "", "WITH a AS (", "SELECT 1 FROM prices", ") SELECT 1" },
	{ "SELECT 1 FROM prices WHERE a = 1", " OR a = 1 AND b = 2", "", "" },
	{ "SELECT 1 /*", "/*", "*/ FROM prices", "*/" },
	{ "SELECT 1 FROM ", "(prices JOIN ", "prices", " ON true)" },
};
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

static void compose(const struct shape_of_text *shape, size_t times, struct buf *out)
{
	buf_append_str(out, shape->head);
	repeat(out, shape->open, times);
	buf_append_str(out, shape->tail);
	repeat(out, shape->close, times);
}

static size_t depth_of(const ProtobufCMessage *message);

struct deepest {
	size_t depth;
};

static void deepen(const ProtobufCMessage *child, struct deepest *deepest)
{
	size_t depth = child ? depth_of(child) : 0;
	if (depth > deepest->depth)
		deepest->depth = depth;
}

static size_t depth_of(const ProtobufCMessage *message)
{
	struct deepest deepest = { 0 };
	const char *base = (const char *)message;
	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		const void *at = base + field->offset;
		if (field->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
		    *(const uint32_t *)(const void *)(base + field->quantifier_offset) != field->id)
			continue;
		if (field->label != PROTOBUF_C_LABEL_REPEATED) {
			deepen(*(ProtobufCMessage *const *)at, &deepest);
			continue;
		}
		size_t count = *(const size_t *)(const void *)(base + field->quantifier_offset);
		for (size_t k = 0; k < count; k++)
			deepen((*(ProtobufCMessage *const *const *)at)[k], &deepest);
	}
	return deepest.depth + 1;
}

Test(limits, the_bound_holds_for_everything_that_nests)
{
	for (size_t i = 0; i < SHAPES; i++) {
		struct token_list tokens;
		struct arena arena;
		struct buf text;
		const PgQuery__ParseResult *tree;
		token_list_init(&tokens);
		arena_init(&arena);
		buf_init(&text);
		compose(&shapes[i], 100, &text);
		lexer_run(buf_slice(&text), true, &tokens);
		uint32_t bound = nesting_bound(buf_slice(&text), &tokens, 100000);
		struct parse_limits limits = { 1 << 20, 100000 };
		cr_assert_eq(parse_run(&arena, buf_slice(&text), &tokens, true, limits, NULL, &tree), PARSE_OK, "%s",
			     shapes[i].open);
		size_t depth = depth_of(&tree->base);
		cr_expect(depth <= 12 + 2 * (size_t)bound, "%s: depth %zu, bound %u", shapes[i].open, depth, bound);
		buf_deinit(&text);
		arena_deinit(&arena);
		token_list_deinit(&tokens);
	}
}

static enum rewrite_outcome outcome_of(struct slice sql, char sqlstate_out[6])
{
	struct ruleset *ruleset = build_rules();
	struct rewriter *rewriter = rewriter_new(rewriter_settings_default());
	struct session_state *state = session_state_new("db", "u", "public");
	session_state_reported(state, "client_encoding", "UTF8");
	struct rewrite *rewrite = rewriter_run(rewriter, sql, REWRITE_SIMPLE, state, ruleset);
	enum rewrite_outcome outcome = rewrite->outcome;
	memcpy(sqlstate_out, outcome == REWRITE_REFUSED ? rewrite->refusal->sqlstate : "00000", 6);
	rewrite_unref(rewrite);
	session_state_free(state);
	rewriter_free(rewriter);
	ruleset_unref(ruleset);
	return outcome;
}

static void *rewrite_deep_texts(void *unused)
{
	char sqlstate[6];
	for (size_t i = 0; i < SHAPES; i++) {
		struct buf text;
		buf_init(&text);
		compose(&shapes[i], 20000, &text);
		if (outcome_of(buf_slice(&text), sqlstate) == REWRITE_REFUSED)
			cr_expect_str_eq(sqlstate, "54000", "%s: %s", shapes[i].open, sqlstate);
		buf_deinit(&text);
	}
	return unused;
}

static void run_on_stack(size_t bytes, void *(*body)(void *))
{
	pthread_attr_t attributes;
	pthread_t thread;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, bytes);
	cr_assert_eq(pthread_create(&thread, &attributes, body, NULL), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attributes);
}

Test(limits, deep_texts_are_refused_on_a_big_stack)
{
	run_on_stack(REWRITE_PARSE_STACK_BYTES, rewrite_deep_texts);
}

Test(limits, deep_texts_are_refused_on_a_small_stack)
{
	run_on_stack(1024 * 1024, rewrite_deep_texts);
}

static void *rewrite_as_deep_as_allowed(void *unused)
{
	char sqlstate[6];
	struct buf text;
	buf_init(&text);
	compose(&shapes[0], 7900, &text);
	cr_expect_eq(outcome_of(buf_slice(&text), sqlstate), REWRITE_REWRITTEN);
	buf_deinit(&text);
	return unused;
}

Test(limits, the_deepest_text_allowed_is_rewritten)
{
	run_on_stack(REWRITE_PARSE_STACK_BYTES, rewrite_as_deep_as_allowed);
}

/* What becomes of head, so many times piece, and tail. */
static enum rewrite_outcome outcome_of_long(const char *head, const char *piece, size_t times, const char *tail,
					    char sqlstate_out[6])
{
	struct buf text;
	buf_init(&text);
	buf_append_str(&text, head);
	repeat(&text, piece, times);
	buf_append_str(&text, tail);
	enum rewrite_outcome outcome = outcome_of(buf_slice(&text), sqlstate_out);
	buf_deinit(&text);
	return outcome;
}

Test(limits, long_texts_are_refused_only_when_they_need_a_change)
{
	char sqlstate[6];
	cr_expect_eq(outcome_of_long("INSERT INTO prices VALUES (1)", ", ((SELECT 1 FROM prices))", 50000, "", sqlstate),
		     REWRITE_REFUSED);
	cr_expect_str_eq(sqlstate, "54000");
	cr_expect_eq(outcome_of_long("INSERT INTO data.prices VALUES (1)", ", ((SELECT 1 FROM data.prices))", 50000, "",
				     sqlstate),
		     REWRITE_UNCHANGED);
}

Test(limits, rows_of_a_long_insert_are_folded)
{
	char sqlstate[6];
	cr_expect_eq(outcome_of_long("INSERT INTO prices VALUES (1, 'a', now())", ", (-2.5, 'x)', f(now(), (3)))", 100000,
				     " ON CONFLICT DO NOTHING", sqlstate),
		     REWRITE_REWRITTEN);
}

Test(limits, many_tables_in_one_from_are_refused)
{
	char sqlstate[6];
	cr_expect_eq(outcome_of_long("SELECT 1 FROM prices p", ", prices p", 5000, "", sqlstate), REWRITE_REFUSED);
	cr_expect_str_eq(sqlstate, "54000");
}

Test(limits, the_cache_stays_within_its_bytes)
{
	struct ruleset *ruleset = build_rules();
	struct rewriter_settings settings = rewriter_settings_default();
	struct session_state *state = session_state_new("db", "u", "public");
	struct rewriter *rewriter = rewriter_new(settings);
	struct rewrite_cache *cache = rewrite_cache_new(64 * 1024);
	char sql[200];
	for (int i = 0; i < 6000; i++) {
		int len = snprintf(sql, sizeof(sql), "SELECT %d FROM prices", i / 3);
		struct slice text = slice_of(sql, (size_t)len);
		struct rewrite_cache_key key = rewrite_cache_text_key(rewrite_cache_context(cache, state, ruleset), text);
		struct rewrite *kept = rewrite_cache_get(cache, key, text);
		if (!kept) {
			kept = rewriter_run(rewriter, text, REWRITE_SIMPLE, state, ruleset);
			rewrite_cache_put(cache, key, text, kept, false);
		}
		rewrite_unref(kept);
	}
	struct rewrite_cache_stats stats = rewrite_cache_stats(cache);
	cr_expect(stats.bytes <= 64 * 1024 && stats.evicted > 0 && stats.entries > 10);
	cr_expect(stats.hits > 1900, "the third time is a hit: %lu", (unsigned long)stats.hits);
	rewrite_cache_free(cache);
	rewriter_free(rewriter);
	session_state_free(state);
	ruleset_unref(ruleset);
}

Test(limits, another_path_is_another_place_in_the_cache)
{
	struct ruleset *ruleset = build_rules();
	struct rewriter *rewriter = rewriter_new(rewriter_settings_default());
	struct session_state *here = session_state_new("db", "u", "public");
	struct session_state *there = session_state_new("db", "u", "elsewhere");
	for (int i = 0; i < 5; i++) {
		struct rewrite *a = rewriter_run(rewriter, slice_str("SELECT 1 FROM prices"), REWRITE_SIMPLE, here, ruleset);
		struct rewrite *b = rewriter_run(rewriter, slice_str("SELECT 1 FROM prices"), REWRITE_SIMPLE, there, ruleset);
		cr_expect_eq(a->outcome, REWRITE_REWRITTEN);
		cr_expect_eq(b->outcome, REWRITE_UNCHANGED);
		rewrite_unref(a);
		rewrite_unref(b);
	}
	session_state_free(here);
	session_state_free(there);
	rewriter_free(rewriter);
	ruleset_unref(ruleset);
}
