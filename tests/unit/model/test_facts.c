#include "model/facts.h"

#include <criterion/criterion.h>
#include <stdio.h>

Test(facts, finds_relations_and_what_they_own)
{
	struct facts *facts = facts_new();
	struct rel_name prices = { "public", "prices" };
	facts_add_relation(facts, prices, FACT_TABLE, 1);
	struct fact_relation *index = facts_add_relation(facts, (struct rel_name){ "public", "prices_pkey" }, FACT_INDEX, 2);
	facts_set_owner(facts, index, prices);
	for (int i = 0; i < 1000; i++) {
		char name[32];
		snprintf(name, sizeof(name), "t%d", i);
		facts_add_relation(facts, (struct rel_name){ "s", name }, FACT_VIEW, 0);
	}
	facts_seal(facts);
	const struct fact_relation *found = facts_find(facts, "public", "prices");
	cr_assert_not_null(found);
	cr_assert_eq(found->owned, index);
	cr_assert_not_null(facts_find(facts, "s", "t999"));
	cr_assert_null(facts_find(facts, "public", "t999"));
	facts_unref(facts);
}

Test(facts, role_settings_win_over_database_settings)
{
	struct facts *facts = facts_new();
	facts_add_setting(facts, NULL, true, "by_database");
	facts_add_setting(facts, "alice", false, "by_role");
	facts_add_setting(facts, "bob", true, "bob_here");
	facts_add_setting(facts, "bob", false, "bob_anywhere");
	facts_seal(facts);
	cr_assert_str_eq(facts_default_search_path(facts, "alice"), "by_role");
	cr_assert_str_eq(facts_default_search_path(facts, "bob"), "bob_here");
	cr_assert_str_eq(facts_default_search_path(facts, "carol"), "by_database");
	facts_unref(facts);
}

Test(facts, without_facts_the_servers_default_holds)
{
	cr_assert_str_eq(facts_default_search_path(NULL, "alice"), "\"$user\", public");
	cr_assert(facts_may_use(NULL, "alice", "public"));
	cr_assert_null(facts_find(NULL, "public", "prices"));
}

Test(facts, knows_schemas_that_a_role_may_not_use)
{
	struct facts *facts = facts_new();
	facts_add_denied(facts, "alice", "secret");
	facts_add_denied(facts, "bob", "data");
	facts_seal(facts);
	cr_assert_not(facts_may_use(facts, "alice", "secret"));
	cr_assert(facts_may_use(facts, "alice", "data"));
	cr_assert_not(facts_may_use(facts, "bob", "data"));
	facts_unref(facts);
}

Test(facts, functions_that_may_set_anything_are_found_by_name)
{
	struct facts *facts = facts_new();
	facts_add_code(facts, "set_path", FACT_CODE_SESSION);
	facts_add_code(facts, "a_path", FACT_CODE_SESSION);
	facts_add_code(facts, "set_path", FACT_CODE_CATALOG);
	facts_seal(facts);
	cr_assert_eq(facts_code_flags(facts, "set_path"), FACT_CODE_SESSION | FACT_CODE_CATALOG);
	cr_assert_eq(facts_code_flags(facts, "a_path"), FACT_CODE_SESSION);
	cr_assert_eq(facts_code_flags(facts, "b_path"), 0);
	cr_assert_eq(facts_code_flags(NULL, "set_path"), 0);
	facts_unref(facts);
}

Test(facts, constraints_of_one_name)
{
	struct facts *facts = facts_new();
	size_t count = 0;
	facts_add_constraint(facts, (struct rel_name){ "data", "b" }, "fk");
	facts_add_constraint(facts, (struct rel_name){ "data", "a" }, "other");
	facts_add_constraint(facts, (struct rel_name){ "public", "c" }, "fk");
	facts_add_constraint(facts, (struct rel_name){ "public", "c" }, "a");
	facts_seal(facts);
	const struct fact_constraint *found = facts_constraints(facts, "fk", &count);
	cr_assert_eq(count, 2);
	cr_assert_str_eq(found[0].name, "fk");
	cr_assert_str_eq(found[1].name, "fk");
	cr_assert(strcmp(found[0].table.schema, found[1].table.schema) != 0);
	cr_assert_null(facts_constraints(facts, "none", &count));
	cr_assert_null(facts_constraints(NULL, "fk", &count));
	facts_unref(facts);
}
