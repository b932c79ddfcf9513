/* Facts after a move, put together from those before it and what was read again. */
#include "model/facts_change.h"

#include <criterion/criterion.h>

static struct rel_name name(const char *schema, const char *relation)
{
	return (struct rel_name){ schema, relation };
}

static struct fact_relation *add_table(struct facts *facts, const char *schema, const char *relation, uint32_t oid,
				       const char *column)
{
	struct fact_column columns[] = { { .name = "id", .type = "integer", .attnum = 1, .in_key = true },
					 { .name = column, .type = "text", .attnum = 2 } };
	struct fact_relation *table = facts_add_relation(facts, name(schema, relation), FACT_TABLE, oid);
	facts_set_columns(facts, table, columns, 2);
	return table;
}

static void add_index(struct facts *facts, const char *schema, uint32_t oid, struct rel_name table)
{
	facts_set_owner(facts, facts_add_relation(facts, name(schema, "prices_pkey"), FACT_INDEX, oid), table);
}

static void add_surroundings(struct facts *facts)
{
	facts->database = "shop";
	facts->search_path = "public";
	facts->server_version = 150004;
	facts_add_schema(facts, "public");
	facts_add_schema(facts, "data");
	facts_add_setting(facts, "alice", true, "a");
	facts_add_setting(facts, NULL, true, "b");
	facts_add_code(facts, "f", FACT_CODE_SESSION);
	add_table(facts, "public", "stocks", 3, "name");
	facts_add_constraint(facts, name("public", "stocks"), "stocks_name_key");
}

static struct facts *before(void)
{
	struct facts *facts = facts_new();
	add_surroundings(facts);
	add_table(facts, "public", "prices", 1, "price");
	add_index(facts, "public", 2, name("public", "prices"));
	facts_add_constraint(facts, name("public", "prices"), "prices_name_key");
	facts_add_denied(facts, "app", "data");
	facts_add_denied(facts, "app", "secret");
	facts_seal(facts);
	return facts;
}

static void add_moved(struct facts *facts)
{
	add_table(facts, "data", "prices", 1, "cost");
	add_index(facts, "data", 2, name("data", "prices"));
	facts_add_relation(facts, name("public", "prices"), FACT_VIEW, 9);
	facts_add_constraint(facts, name("data", "prices"), "prices_name_key");
}

/* As a whole look at the catalog would find it. */
static struct facts *after(void)
{
	struct facts *facts = facts_new();
	add_moved(facts);
	add_surroundings(facts);
	facts_add_denied(facts, "app", "secret");
	facts_seal(facts);
	return facts;
}

static struct facts *change(const struct facts *base)
{
	static const uint32_t gone[] = { 1, 2 };
	static const char *const schemas[] = { "data" };
	struct facts_change change = { gone, 2, schemas, 1, facts_new() };
	add_moved(change.fresh);
	struct facts *facts = facts_changed(base, &change);
	facts_unref(change.fresh);
	return facts;
}

Test(facts_change, is_what_a_whole_look_would_find)
{
	struct facts *base = before(), *changed = change(base), *whole = after();
	cr_assert(facts_same(changed, whole));
	cr_assert(facts_same(whole, changed));
	cr_assert_not(facts_same(base, changed));
	cr_assert_gt(changed->version, base->version);
	cr_assert_str_eq(facts_find(changed, "data", "prices")->owned->name.name, "prices_pkey");
	cr_assert_eq(facts_find(changed, "public", "prices")->kind, FACT_VIEW);
	cr_assert_null(facts_find(changed, "public", "prices_pkey"));
	cr_assert(facts_may_use(changed, "app", "data"));
	cr_assert_not(facts_may_use(changed, "app", "secret"));
	facts_unref(base);
	cr_assert_str_eq(facts_find(changed, "public", "stocks")->columns[1].name, "name", "a copy of its own");
	facts_unref(changed);
	facts_unref(whole);
}

Test(facts_change, a_view_that_was_dropped_is_gone)
{
	static const uint32_t gone[] = { 1, 2, 9 };
	struct facts *base = after();
	struct facts_change change = { gone, 3, NULL, 0, facts_new() };
	add_table(change.fresh, "public", "prices", 1, "price");
	struct facts *back = facts_changed(base, &change);
	cr_assert_eq(facts_find(back, "public", "prices")->kind, FACT_TABLE);
	cr_assert_null(facts_find(back, "data", "prices"));
	facts_unref(change.fresh);
	facts_unref(base);
	facts_unref(back);
}

Test(facts_change, any_difference_is_one)
{
	struct facts *whole = after();
	for (int part = 0; part < 7; part++) {
		struct facts *other = facts_new();
		add_moved(other);
		add_surroundings(other);
		facts_add_denied(other, part == 0 ? "bob" : "app", "secret");
		if (part == 1)
			facts_add_schema(other, "more");
		if (part == 2)
			facts_add_setting(other, "bob", true, "c");
		if (part == 3)
			facts_add_code(other, "g", FACT_CODE_CATALOG);
		if (part == 4)
			other->relations[0]->columns[1].type = "integer";
		if (part == 5)
			facts_add_constraint(other, name("public", "stocks"), "other");
		if (part == 6)
			facts_add_relation(other, name("public", "more"), FACT_VIEW, 10);
		facts_seal(other);
		cr_assert_not(facts_same(whole, other), "part %d", part);
		facts_unref(other);
	}
	facts_unref(whole);
}
