#include "model/shape.h"
#include "model/type_name.h"

#include <criterion/criterion.h>

static struct arena arena;

static void setup(void)
{
	arena_init(&arena);
}

static void teardown(void)
{
	arena_deinit(&arena);
}

TestSuite(shape, .init = setup, .fini = teardown);
TestSuite(type_name, .init = setup, .fini = teardown);

static void expect_type(const char *type, const char *want)
{
	cr_assert_str_eq(type_name_canonical(&arena, type), want);
}

Test(type_name, aliases_become_what_the_catalog_prints)
{
	expect_type("varchar(10)", "character varying(10)");
	expect_type("VARCHAR ( 10 )", "character varying(10)");
	expect_type("numeric( 8 , 4 )", "numeric(8,4)");
	expect_type("timestamptz", "timestamp with time zone");
	expect_type("timestamptz(3)", "timestamp(3) with time zone");
	expect_type("timestamp(3) with time zone", "timestamp(3) with time zone");
	expect_type("timestamp", "timestamp without time zone");
	expect_type("int[]", "integer[]");
	expect_type("varchar(3)[]", "character varying(3)[]");
	expect_type("char", "character(1)");
	expect_type("  double   precision ", "double precision");
	expect_type("\"My Type\"", "\"My Type\"");
	expect_type("public.Mood", "public.mood");
}

Test(type_name, compares_and_strips)
{
	cr_assert(type_name_same("int4", "integer"));
	cr_assert_not(type_name_same("varchar(10)", "varchar(11)"));
	cr_assert_not(type_name_same(NULL, NULL));
	cr_assert_str_eq(type_name_bare(&arena, "varchar(10)"), "character varying");
	cr_assert_str_eq(type_name_bare(&arena, "timestamptz(3)"), "timestamp with time zone");
	cr_assert_str_eq(type_name_bare(&arena, "numeric(8,4)[]"), "numeric[]");
}

static struct map_pairs pairs_of(const char *const texts[][2])
{
	struct map_pairs pairs = { 0 };
	while (texts[pairs.count][0])
		pairs.count++;
	pairs.items = ARENA_ARRAY(&arena, pairs.count, struct map_pair);
	for (size_t i = 0; i < pairs.count; i++)
		pairs.items[i] = (struct map_pair){ .key = texts[i][0], .value = texts[i][1] };
	return pairs;
}

#define PAIRS(...) pairs_of((const char *const[][2]){ __VA_ARGS__, { NULL, NULL } })

static struct fact_relation relation_of(const char *const columns[][2])
{
	struct fact_relation relation = { .kind = FACT_TABLE };
	while (columns[relation.column_count][0])
		relation.column_count++;
	relation.columns = ARENA_ARRAY(&arena, relation.column_count, struct fact_column);
	for (size_t i = 0; i < relation.column_count; i++)
		relation.columns[i] = (struct fact_column){ .name = columns[i][0], .type = columns[i][1] };
	return relation;
}

#define RELATION(...) relation_of((const char *const[][2]){ __VA_ARGS__, { NULL, NULL } })

Test(shape, a_plain_move_needs_nothing)
{
	struct map_entry entry = { .kind = MAP_MOVE };
	struct fact_relation there = RELATION({ "code", "text" }, { "close", "bigint" });
	struct shape *shape = shape_build(&arena, &entry, SIDE_NEW, &there, NULL);
	cr_assert(shape->known);
	cr_assert(shape->same);
	cr_assert_not(shape_build(&arena, &entry, SIDE_NEW, NULL, NULL)->known);
	cr_assert(shape_build(&arena, &entry, SIDE_NEW, NULL, NULL)->same);
}

Test(shape, renames_in_place_are_pure_in_both_directions)
{
	struct map_entry entry = { .kind = MAP_MOVE, .columns = PAIRS({ "code", "stock_code" }) };
	struct fact_relation moved = RELATION({ "id", "integer" }, { "stock_code", "text" });
	struct shape *shape = shape_build(&arena, &entry, SIDE_NEW, &moved, NULL);
	cr_assert(shape->pure_rename);
	cr_assert_str_eq(shape->written[1].name, "code");
	cr_assert_str_eq(shape->written[1].column, "stock_code");
	cr_assert_str_eq(shape->physical[1].column, "code");
	struct fact_relation unmoved = RELATION({ "id", "integer" }, { "code", "text" });
	shape = shape_build(&arena, &entry, SIDE_OLD, &unmoved, NULL);
	cr_assert(shape->pure_rename);
	cr_assert_str_eq(shape->written[1].name, "stock_code");
	cr_assert_str_eq(shape->written[1].column, "code");
}

Test(shape, a_declared_shape_gives_order_and_types)
{
	struct map_entry entry = { .kind = MAP_MOVE, .shape = PAIRS({ "b", "int" }, { "a", "varchar(5)" }) };
	struct fact_relation there = RELATION({ "a", "character varying(10)" }, { "b", "integer" });
	struct shape *shape = shape_build(&arena, &entry, SIDE_NEW, &there, NULL);
	cr_assert_not(shape->same);
	cr_assert_not(shape->pure_rename);
	cr_assert_str_eq(shape->written[0].name, "b");
	cr_assert_not(shape->written[0].retyped);
	cr_assert(shape->written[1].retyped);
}

static struct map_entry scores(void)
{
	static const char *lossy[] = { "flow" };
	return (struct map_entry){
		.kind = MAP_TRANSFORM,
		.shape = PAIRS({ "date", "date" }, { "scores", "jsonb" }, { "note", "text" }),
		.new_shape = PAIRS({ "date", "date" }, { "momentum", "numeric(8,4)" }, { "flow", "numeric(8,4)" }),
		.read = PAIRS({ "scores", "jsonb_build_object('momentum', momentum)" }),
		.write = PAIRS({ "momentum", "(scores->>'momentum')::numeric" }),
		.lossy = { lossy, 1 },
	};
}

Test(shape, transforms_read_and_write_by_expressions)
{
	struct map_entry entry = scores();
	struct shape *shape = shape_build(&arena, &entry, SIDE_NEW, NULL, NULL);
	cr_assert(shape->known);
	cr_assert_eq(shape_written_column(shape, "date")->from, SHAPE_COLUMN);
	cr_assert_eq(shape_written_column(shape, "scores")->from, SHAPE_EXPRESSION);
	cr_assert_eq(shape_written_column(shape, "note")->from, SHAPE_NOTHING);
	cr_assert_eq(shape_physical_column(shape, "momentum")->from, SHAPE_EXPRESSION);
	cr_assert_eq(shape_physical_column(shape, "flow")->from, SHAPE_NOTHING);
	cr_assert(shape_physical_column(shape, "flow")->lossy);
}

Test(shape, before_the_move_the_expressions_change_places)
{
	struct map_entry entry = scores();
	struct shape *shape = shape_build(&arena, &entry, SIDE_OLD, NULL, NULL);
	cr_assert_str_eq(shape_written_column(shape, "momentum")->expression, "(scores->>'momentum')::numeric");
	cr_assert_str_eq(shape_physical_column(shape, "scores")->expression,
			 "jsonb_build_object('momentum', momentum)");
	cr_assert_null(shape_written_column(shape, "note"));
}
