/*
 * Any bytes as SQL, through lexer and rewriter. Besides not crashing it must
 * hold that a rewritten text is final (rewriting it again changes nothing),
 * that positions map into the original, and that running twice is the same.
 *
 * The first byte chooses the session: standard_conforming_strings, encoding,
 * search_path, stages.
 */
#include "fuzz.h"
#include "rewrite/lexer.h"
#include "rewrite/rewriter.h"

#include <stdio.h>
#include <stdlib.h>

enum { RULESETS = 4, WITH_CATALOG = 3 };

static struct ruleset *rulesets[RULESETS];
static struct rewriter *rewriter, *tight; /* folds long lists before it parses */

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "does not hold: %s\n", what);
	abort();
}

static struct map_entry move(uint32_t id, const char *old_schema, const char *old_name, const char *new_schema,
			     const char *new_name)
{
	return (struct map_entry){ .id = id,
				   .kind = MAP_MOVE,
				   .old_name = { old_schema, old_name },
				   .new_name = { new_schema, new_name },
				   .group = -1 };
}

/* Renamed, retyped, reordered and computed columns. */
static struct map_entry transform(uint32_t id)
{
	static struct map_pair columns[] = { { "code", "stock_code", 0, 0 } };
	static struct map_pair shape[] = { { "id", "integer", 0, 0 }, { "code", "varchar(10)", 0, 0 },
					   { "scores", "jsonb", 0, 0 }, { "payload", "text", 0, 0 } };
	static struct map_pair new_shape[] = { { "stock_code", "text", 0, 0 }, { "id", "bigint", 0, 0 },
					       { "momentum", "numeric", 0, 0 } };
	static struct map_pair read[] = { { "scores", "jsonb_build_object('momentum', momentum)", 0, 0 } };
	static struct map_pair write[] = { { "momentum", "(scores->>'momentum')::numeric", 0, 0 } };
	static const char *lossy[] = { "payload" };
	struct map_entry entry = move(id, "brain", "results", "signals", "factors");
	entry.kind = MAP_TRANSFORM;
	entry.columns = (struct map_pairs){ columns, 1 };
	entry.shape = (struct map_pairs){ shape, 4 };
	entry.new_shape = (struct map_pairs){ new_shape, 3 };
	entry.read = (struct map_pairs){ read, 1 };
	entry.write = (struct map_pairs){ write, 1 };
	entry.lossy = (struct name_list){ lossy, 1 };
	return entry;
}

static struct map_entry renamed(uint32_t id)
{
	static struct map_pair columns[] = { { "code", "stock_code", 0, 0 }, { "foreigner", "foreign_net", 0, 0 } };
	static struct map_pair shape[] = { { "id", "integer", 0, 0 }, { "code", "text", 0, 0 },
					   { "date", "date", 0, 0 }, { "foreigner", "bigint", 0, 0 } };
	static struct map_pair new_shape[] = { { "id", "integer", 0, 0 }, { "stock_code", "text", 0, 0 },
					       { "date", "date", 0, 0 }, { "foreign_net", "bigint", 0, 0 } };
	struct map_entry entry = move(id, "public", "investor", "data", "investor_flow");
	entry.kind = MAP_TRANSFORM;
	entry.columns = (struct map_pairs){ columns, 2 };
	entry.shape = (struct map_pairs){ shape, 4 };
	entry.new_shape = (struct map_pairs){ new_shape, 4 };
	return entry;
}

static struct map *build_map(void)
{
	struct map *map = map_new();
	struct map_entry entries[] = {
		move(0, "public", "prices", "data", "prices"),
		move(1, "public", "stocks", "data", "instruments"),
		move(2, "brain", "prices", "signals", "scores"),
		move(3, "public", "a", "data", "It's \"odd\\"),
		transform(4),
		renamed(5),
	};
	map->old_label = "old";
	map->new_label = "new";
	map->entry_count = sizeof(entries) / sizeof(entries[0]);
	map->entries = ARENA_ARRAY(&map->arena, map->entry_count, struct map_entry);
	memcpy(map->entries, entries, sizeof(entries));
	return map;
}

/* The tables have moved, and their oids are known: queries of the catalog are mapped. */
static struct facts *build_facts(const struct map *map)
{
	struct facts *facts = facts_new();
	for (uint32_t i = 0; i < map->entry_count; i++) {
		facts_add_schema(facts, map->entries[i].old_name.schema);
		facts_add_schema(facts, map->entries[i].new_name.schema);
		facts_add_relation(facts, map->entries[i].new_name, FACT_TABLE, 16384 + i);
	}
	struct rel_name index = { "data", "prices_pkey" };
	facts_set_owner(facts, facts_add_relation(facts, index, FACT_INDEX, 20000), map->entries[0].new_name);
	facts_add_constraint(facts, map->entries[0].new_name, "prices_fk");
	facts_add_constraint(facts, map->entries[1].new_name, "prices_fk");
	facts_add_code(facts, "to_app", FACT_CODE_SESSION | FACT_CODE_CATALOG);
	facts_seal(facts);
	return facts;
}

static struct ruleset *build_rules(enum stage stage, bool with_catalog, struct policy policy)
{
	static uint64_t version;
	struct map *map = build_map();
	struct flag items[6];
	for (size_t i = 0; i < 6; i++)
		items[i] = (struct flag){ .table = map->entries[i].old_name, .stage = stage };
	struct flags flags = { NULL, items, 6 };
	struct ruleset *ruleset;
	struct error error;
	struct facts *facts = with_catalog ? build_facts(map) : NULL;
	bool built = ruleset_build(map, &flags, facts, policy, ++version, NULL, NULL, &ruleset, &error);
	must(built, "the rules can be built");
	facts_unref(facts);
	map_unref(map);
	return ruleset;
}

static void prepare(void)
{
	struct rewriter_settings settings = rewriter_settings_default();
	settings.parse_bytes = 64 * 1024;
	settings.cache_bytes = 64 * 1024;
	rewriter = rewriter_new(settings);
	settings.parse_bytes = 200;
	settings.cache_bytes = 0;
	tight = rewriter_new(settings);
	rulesets[0] = build_rules(STAGE_LIVE, false, (struct policy){ .opaque = OPAQUE_REFUSE });
	rulesets[1] = build_rules(STAGE_OLD, false, (struct policy){ .ddl = DDL_ALLOW, .opaque = OPAQUE_NOTICE });
	rulesets[2] = build_rules(STAGE_COMPLETE, false, (struct policy){ .newer_syntax = NEWER_SYNTAX_PASS });
	rulesets[WITH_CATALOG] = build_rules(STAGE_LIVE, true, (struct policy){ .introspection = INTROSPECTION_MAP });
}

static struct session_state *build_state(uint8_t choice)
{
	static const char *const paths[] = { "public, brain", "data", "\"$user\", public, pg_temp", NULL };
	static const char *const encodings[] = { "UTF8", "UTF8", "LATIN1", "SJIS" };
	struct session_state *state = session_state_new("db", "brain", paths[choice & 3]);
	session_state_reported(state, "client_encoding", encodings[choice >> 2 & 3]);
	session_state_reported(state, "standard_conforming_strings", choice & 16 ? "off" : "on");
	if ((choice >> 2 & 3) == 1) /* keeps results out of the cache */
		session_state_apply(state, &(struct effect){ .kind = EFFECT_PREPARE, .name = "p", .value = "1 2" });
	return state;
}

static void check_tokens(struct slice sql)
{
	struct token_list tokens;
	token_list_init(&tokens);
	lexer_run(sql, true, &tokens);
	size_t end = 0;
	for (size_t i = 0; i < tokens.count; i++) {
		must(tokens.items[i].offset >= end && tokens.items[i].len > 0, "tokens follow each other");
		end = tokens.items[i].offset + tokens.items[i].len;
	}
	must(end <= sql.len, "tokens end with the text");
	token_list_deinit(&tokens);
}

static void check_result(struct slice sql, const struct rewrite *rewrite, const struct session_state *state,
			 const struct ruleset *ruleset)
{
	for (uint32_t position = 0; position < 64; position++)
		must(rewrite_map_position(rewrite, position) <= sql.len + position + 1, "positions map back");
	if (rewrite->outcome != REWRITE_REWRITTEN)
		return;
	must(rewrite->sql.data[rewrite->sql.len] == '\0', "a rewritten text ends in NUL");
	struct rewrite *again = rewriter_run(rewriter, rewrite->sql, REWRITE_SIMPLE, state, ruleset);
	/* A query that shows the catalog reads the catalog. */
	must(again->outcome != REWRITE_REWRITTEN || ruleset == rulesets[WITH_CATALOG], "a rewritten text is final");
	must(again->outcome != REWRITE_UNCHANGED || again->statement_count == 0 ||
		     again->statements[0].kind != STATEMENT_UNPARSED || rewrite->statements[0].kind == STATEMENT_UNPARSED,
	     "a rewritten text can be parsed");
	rewrite_unref(again);
}

static void explain(struct slice sql, const struct session_state *state, const struct ruleset *ruleset)
{
	struct arena arena;
	struct rewrite_explanation explanation;
	arena_init(&arena);
	rewrite_unref(rewriter_explain(rewriter, sql, REWRITE_SIMPLE, state, ruleset, &arena, &explanation));
	for (size_t i = 0; i < explanation.count; i++) {
		const struct rewrite_reference *r = &explanation.items[i];
		must(r->offset + r->len <= sql.len && r->written && r->resolved && r->rule, "references are in the text");
	}
	arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!rewriter)
		prepare();
	if (size == 0)
		return 0;
	const struct ruleset *ruleset = rulesets[(data[0] >> 5) % RULESETS];
	struct session_state *state = build_state(data[0]);
	struct slice sql = slice_of((const char *)data + 1, size - 1);
	check_tokens(sql);
	for (int i = 0; i < 3; i++) {
		struct rewrite *rewrite = rewriter_run(rewriter, sql, REWRITE_SIMPLE, state, ruleset);
		check_result(sql, rewrite, state, ruleset);
		rewrite_unref(rewrite);
	}
	struct rewrite *folded = rewriter_run(tight, sql, REWRITE_SIMPLE, state, ruleset);
	check_result(sql, folded, state, ruleset);
	rewrite_unref(folded);
	explain(sql, state, ruleset);
	struct buf name;
	struct use uses[8];
	buf_init(&name);
	if (!rewriter_parameter(rewriter, sql, state, ruleset, &name, uses, 8))
		must(name.len == 0, "what is no name stays");
	buf_deinit(&name);
	session_state_free(state);
	return 0;
}
