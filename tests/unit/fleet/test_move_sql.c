/* The statements of a move, from what the catalog said. */
#include "fleet/move_sql.h"

#include "base/memory.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct move_plan *plan;
static struct move_relation relation;
static struct move_table table;
static struct map_entry map;
static struct ruleset_entry entry;

static void begin(void)
{
	static const char *columns[] = { "code", "price", "Odd \"name\"" };
	plan = memory_zalloc(sizeof(*plan));
	arena_init(&plan->arena);
	relation = (struct move_relation){ .oid = 7, .from = { "public", "prices" }, .to = { "data", "prices" },
					   .kind = 'r', .owner = "alice", .columns = columns, .column_count = 3 };
	table = (struct move_table){ .relations = &relation, .relation_count = 1 };
	map = (struct map_entry){ 0 };
	entry = (struct ruleset_entry){ .map = &map };
}

static void end(void)
{
	arena_deinit(&plan->arena);
	free(plan);
}

TestSuite(move_sql, .init = begin, .fini = end);

static void write_down(bool view, int version)
{
	struct move_sql out = { .plan = plan, .view = view, .server_version = version };
	move_sql_lock(&out, &table);
	plan->lock_count = plan->statement_count;
	move_sql_move(&out, &entry, &table);
}

static void expect(const char *const *wanted, size_t count)
{
	for (size_t i = 0; i < count && i < plan->statement_count; i++)
		cr_assert_str_eq(plan->statements[i].sql, wanted[i]);
	cr_assert_eq(plan->statement_count, count);
}

#define EXPECT(...) \
	expect((const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))
#define LOCK "LOCK TABLE public.prices IN ACCESS EXCLUSIVE MODE"

Test(move_sql, another_schema_is_one_statement)
{
	write_down(false, 150000);
	EXPECT(LOCK, "ALTER TABLE public.prices SET SCHEMA data");
}

Test(move_sql, another_schema_and_name_go_through_a_name_that_nothing_has)
{
	relation.to.name = "Daily";
	write_down(false, 150000);
	EXPECT(LOCK, "ALTER TABLE public.prices RENAME TO crossfade_move_7",
	       "ALTER TABLE public.crossfade_move_7 SET SCHEMA data",
	       "ALTER TABLE data.crossfade_move_7 RENAME TO \"Daily\"");
}

Test(move_sql, the_view_has_the_old_columns_owner_and_grants)
{
	struct map_pair pairs[] = { { .key = "code", .value = "stock_code" } };
	struct move_grant grants[] = { { "app", "SELECT", NULL, false }, { "PUBLIC", "UPDATE", "code", true } };
	map.columns = (struct map_pairs){ pairs, 1 };
	relation.grants = grants;
	relation.grant_count = 2;
	write_down(true, 150000);
	EXPECT(LOCK, "ALTER TABLE public.prices SET SCHEMA data",
	       "ALTER TABLE data.prices RENAME COLUMN code TO stock_code",
	       "CREATE VIEW public.prices WITH (security_invoker = true) AS SELECT stock_code AS code, price, "
	       "\"Odd \"\"name\"\"\" FROM data.prices",
	       "COMMENT ON VIEW public.prices IS 'crossfade: stands in for the table that moved'",
	       "ALTER VIEW public.prices OWNER TO alice", "GRANT SELECT ON public.prices TO app",
	       "GRANT UPDATE (code) ON public.prices TO PUBLIC WITH GRANT OPTION");
}

Test(move_sql, before_version_15_a_view_knows_no_invoker)
{
	write_down(true, 140000);
	cr_assert(strncmp(plan->statements[2].sql, "CREATE VIEW public.prices AS SELECT", 35) == 0);
}

Test(move_sql, back_again_the_view_goes_first_and_columns_get_their_old_names)
{
	struct map_pair pairs[] = { { .key = "code", .value = "price" }, { .key = "price", .value = "code" } };
	map.columns = (struct map_pairs){ pairs, 2 };
	plan->reverse = true;
	relation.from = (struct rel_name){ "data", "prices" };
	relation.to = (struct rel_name){ "public", "prices" };
	relation.there_oid = 8;
	relation.there_is_ours = true;
	write_down(true, 150000);
	EXPECT(LOCK, "LOCK TABLE data.prices IN ACCESS EXCLUSIVE MODE", "DROP VIEW public.prices",
	       "ALTER TABLE data.prices SET SCHEMA public",
	       "ALTER TABLE public.prices RENAME COLUMN price TO crossfade_column_0",
	       "ALTER TABLE public.prices RENAME COLUMN code TO crossfade_column_1",
	       "ALTER TABLE public.prices RENAME COLUMN crossfade_column_0 TO code",
	       "ALTER TABLE public.prices RENAME COLUMN crossfade_column_1 TO price");
}

Test(move_sql, partitions_and_statistics_go_along)
{
	struct move_relation relations[] = { relation, relation };
	struct rel_name statistics[] = { { "public", "of_prices" } };
	const char *roles[] = { "app" };
	relations[1].from.name = relations[1].to.name = "prices_1";
	table = (struct move_table){ .relations = relations, .relation_count = 2, .statistics = statistics,
				     .statistics_count = 1, .without_usage = roles, .without_usage_count = 1 };
	write_down(false, 150000);
	EXPECT(LOCK, "ALTER TABLE public.prices SET SCHEMA data", "ALTER TABLE public.prices_1 SET SCHEMA data",
	       "ALTER STATISTICS public.of_prices SET SCHEMA data", "GRANT USAGE ON SCHEMA data TO app");
}

Test(move_sql, ids_are_uuids_and_differ)
{
	char one[STATE_ID_BYTES], other[STATE_ID_BYTES];
	state_make_id(one);
	state_make_id(other);
	cr_assert_eq(strlen(one), 36);
	cr_assert(one[14] == '4' && strchr("89ab", one[19]));
	cr_assert_str_neq(one, other);
}
