#include "model/session_state.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct session_state *state;

static void setup(void)
{
	state = session_state_new("aegis", "alice", "\"$user\", public");
}

static void teardown(void)
{
	session_state_free(state);
}

TestSuite(session_state, .init = setup, .fini = teardown);

static void apply(enum effect_kind kind, const char *name, const char *value, bool local)
{
	session_state_apply(state, &(struct effect){ .kind = kind, .name = name, .value = value, .local = local });
}

static void set_path(const char *value, bool local)
{
	apply(EFFECT_SET, "search_path", value, local);
}

static void expect_path(const char *want)
{
	const char *got = session_state_search_path_text(state);
	cr_assert_str_eq(got ? got : "(unknown)", want);
}

Test(session_state, set_outside_a_transaction_stays)
{
	set_path("data", false);
	expect_path("data");
	apply(EFFECT_RESET, "search_path", NULL, false);
	expect_path("\"$user\", public");
}

Test(session_state, rollback_undoes_set)
{
	apply(EFFECT_BEGIN, NULL, NULL, false);
	set_path("data", false);
	expect_path("data");
	apply(EFFECT_ROLLBACK, NULL, NULL, false);
	expect_path("\"$user\", public");
}

Test(session_state, set_local_ends_with_its_transaction)
{
	apply(EFFECT_BEGIN, NULL, NULL, false);
	set_path("one", false);
	set_path("two", true);
	expect_path("two");
	apply(EFFECT_COMMIT, NULL, NULL, false);
	expect_path("one");
}

Test(session_state, savepoints_undo_and_keep)
{
	apply(EFFECT_BEGIN, NULL, NULL, false);
	set_path("one", false);
	apply(EFFECT_SAVEPOINT, "a", NULL, false);
	set_path("two", false);
	apply(EFFECT_SAVEPOINT, "b", NULL, false);
	set_path("three", false);
	apply(EFFECT_RELEASE, "b", NULL, false);
	expect_path("three");
	apply(EFFECT_ROLLBACK_TO, "a", NULL, false);
	expect_path("one");
	set_path("four", false);
	apply(EFFECT_ROLLBACK_TO, "a", NULL, false);
	expect_path("one");
	apply(EFFECT_COMMIT, NULL, NULL, false);
	expect_path("one");
}

Test(session_state, rollback_to_a_forgotten_savepoint_leaves_the_path_unknown)
{
	apply(EFFECT_BEGIN, NULL, NULL, false);
	for (int i = 0; i < 3000; i++)
		apply(EFFECT_SAVEPOINT, i == 2500 ? "deep" : "s", NULL, false);
	apply(EFFECT_ROLLBACK_TO, "deep", NULL, false);
	cr_assert_null(session_state_search_path(state));
}

Test(session_state, a_failed_segment_undoes_what_its_statements_did)
{
	session_state_segment_begin(state);
	set_path("data", false);
	expect_path("data");
	session_state_segment_end(state, 'I', true);
	expect_path("\"$user\", public");
	session_state_segment_begin(state);
	set_path("data", false);
	session_state_segment_end(state, 'I', false);
	expect_path("data");
}

Test(session_state, begin_inside_a_segment_outlives_it)
{
	session_state_segment_begin(state);
	apply(EFFECT_BEGIN, NULL, NULL, false);
	set_path("data", false);
	session_state_segment_end(state, 'T', false);
	session_state_segment_begin(state);
	apply(EFFECT_ROLLBACK, NULL, NULL, false);
	session_state_segment_end(state, 'I', false);
	expect_path("\"$user\", public");
}

Test(session_state, temporary_tables_follow_transactions)
{
	apply(EFFECT_TEMP_CREATE, "prices", NULL, false);
	cr_assert(session_state_has_temp(state, "prices"));
	apply(EFFECT_BEGIN, NULL, NULL, false);
	apply(EFFECT_TEMP_DROP, "prices", NULL, false);
	cr_assert_not(session_state_has_temp(state, "prices"));
	apply(EFFECT_TEMP_CREATE, "scratch", NULL, true);
	apply(EFFECT_ROLLBACK, NULL, NULL, false);
	cr_assert(session_state_has_temp(state, "prices"));
	apply(EFFECT_BEGIN, NULL, NULL, false);
	apply(EFFECT_TEMP_CREATE, "scratch", NULL, true);
	cr_assert(session_state_has_temp(state, "scratch"));
	apply(EFFECT_COMMIT, NULL, NULL, false);
	cr_assert_not(session_state_has_temp(state, "scratch"), "ON COMMIT DROP");
	apply(EFFECT_DISCARD_TEMP, NULL, NULL, false);
	cr_assert_not(session_state_has_any_temp(state));
}

Test(session_state, roles_decide_the_user)
{
	cr_assert_str_eq(session_state_user(state), "alice");
	apply(EFFECT_ROLE, NULL, "bob", false);
	cr_assert_str_eq(session_state_user(state), "bob");
	apply(EFFECT_SESSION_USER, NULL, "carol", false);
	cr_assert_str_eq(session_state_user(state), "carol");
	apply(EFFECT_DISCARD_ALL, NULL, NULL, false);
	cr_assert_str_eq(session_state_user(state), "alice");
}

Test(session_state, strings_and_encoding_follow_reports)
{
	session_state_reported(state, "standard_conforming_strings", "off");
	session_state_reported(state, "client_encoding", "SJIS");
	cr_assert_not(session_state_standard_strings(state));
	cr_assert_eq(session_state_encoding(state), ENCODING_UNSAFE);
	apply(EFFECT_SET, "client_encoding", "UTF8", false);
	cr_assert_eq(session_state_encoding(state), ENCODING_UTF8);
	cr_assert_eq(encoding_class_of("LATIN1"), ENCODING_SINGLE_BYTE);
	cr_assert_eq(encoding_class_of("EUC_KR"), ENCODING_SAFE_MULTI);
}

Test(session_state, an_unknown_path_is_known_again_once_reported)
{
	apply(EFFECT_SET_UNKNOWN, "search_path", NULL, false);
	cr_assert_null(session_state_search_path(state));
	session_state_reported(state, "search_path", "data, public");
	expect_path("data, public");
}

Test(session_state, assign_copies_every_level)
{
	struct session_state *copy = session_state_new("", "", NULL);
	apply(EFFECT_BEGIN, NULL, NULL, false);
	set_path("data", false);
	uint64_t stamp = session_state_stamp(state);
	session_state_assign(copy, state);
	cr_assert_eq(session_state_stamp(copy), stamp);
	session_state_apply(copy, &(struct effect){ .kind = EFFECT_ROLLBACK });
	cr_assert_str_eq(session_state_search_path_text(copy), "\"$user\", public");
	expect_path("data");
	cr_assert_neq(session_state_stamp(copy), stamp);
	session_state_free(copy);
}

Test(session_state, own_relations_are_forgotten_once_the_facts_tell_of_them)
{
	struct effect made = { .kind = EFFECT_RELATION_CREATED, .name = "prices", .value = "shadow" };
	session_state_apply(state, &made);
	cr_assert_eq(session_state_relation(state, "shadow", "prices"), SESSION_RELATION_CREATED);
	apply(EFFECT_BEGIN, NULL, NULL, false);
	session_state_forget_relations(state);
	cr_assert_eq(session_state_relation(state, "shadow", "prices"), SESSION_RELATION_CREATED,
		     "a transaction may have made more");
	apply(EFFECT_COMMIT, NULL, NULL, false);
	session_state_forget_relations(state);
	cr_assert_eq(session_state_relation(state, "shadow", "prices"), SESSION_RELATION_UNTOUCHED);
	for (int i = 0; i < 1000; i++) {
		char name[16];
		snprintf(name, sizeof(name), "t%d", i);
		made.name = name;
		session_state_apply(state, &made);
	}
	cr_assert_eq(session_state_relation(state, "shadow", "t999"), SESSION_RELATION_CREATED);
	cr_assert_eq(session_state_relation(state, "shadow", "t0"), SESSION_RELATION_UNTOUCHED, "bounded");
}

Test(session_state, an_answer_holds_in_the_transaction_it_was_asked_in)
{
	set_path("data", false);
	apply(EFFECT_BEGIN, NULL, NULL, false);
	apply(EFFECT_SET_UNKNOWN, "search_path", NULL, false);
	cr_assert_null(session_state_search_path(state));
	session_state_learnt_search_path(state, "app");
	expect_path("app");
	apply(EFFECT_ROLLBACK, NULL, NULL, false);
	expect_path("data");
	apply(EFFECT_BEGIN, NULL, NULL, false);
	apply(EFFECT_SET_UNKNOWN, "search_path", NULL, false);
	session_state_learnt_search_path(state, "app");
	apply(EFFECT_COMMIT, NULL, NULL, false);
	cr_assert_null(session_state_search_path(state), "it may have been SET LOCAL");
	session_state_learnt_search_path(state, "app");
	apply(EFFECT_BEGIN, NULL, NULL, false);
	apply(EFFECT_COMMIT, NULL, NULL, false);
	expect_path("app");
}

Test(session_state, after_code_no_path_is_told_before_the_temporary_tables_are_known)
{
	const char *names[] = { "prices" };
	apply(EFFECT_TEMP_CREATE, "stocks", NULL, false);
	apply(EFFECT_BEGIN, NULL, NULL, false);
	apply(EFFECT_SET_UNKNOWN, EFFECT_TEMPS, NULL, false);
	cr_assert_not(session_state_temps_known(state));
	cr_assert_null(session_state_search_path(state));
	session_state_learnt_temps(state, names, 1);
	cr_assert(session_state_has_temp(state, "prices"));
	cr_assert_not(session_state_has_temp(state, "stocks"));
	cr_assert_not_null(session_state_search_path(state));
	apply(EFFECT_COMMIT, NULL, NULL, false);
	cr_assert_not(session_state_temps_known(state), "ON COMMIT DROP may have dropped some");
	session_state_learnt_temps(state, names, 0);
	apply(EFFECT_BEGIN, NULL, NULL, false);
	apply(EFFECT_SET_UNKNOWN, EFFECT_TEMPS, NULL, false);
	apply(EFFECT_ROLLBACK, NULL, NULL, false);
	cr_assert(session_state_temps_known(state));
	apply(EFFECT_SET_UNKNOWN, EFFECT_TEMPS, NULL, false);
	apply(EFFECT_DISCARD_TEMP, NULL, NULL, false);
	cr_assert(session_state_temps_known(state));
}

Test(session_state, a_transaction_that_changes_no_meaning_keeps_the_stamp)
{
	struct effect local = { .kind = EFFECT_SET, .name = "search_path", .value = "a", .local = true };
	struct effect temp = { .kind = EFFECT_TEMP_CREATE, .name = "t" };
	session_state_apply(state, &temp);
	uint64_t stamp = session_state_stamp(state);
	apply(EFFECT_BEGIN, NULL, NULL, false);
	apply(EFFECT_COMMIT, NULL, NULL, false);
	apply(EFFECT_BEGIN, NULL, NULL, false);
	apply(EFFECT_ROLLBACK, NULL, NULL, false);
	cr_assert_eq(session_state_stamp(state), stamp);
	apply(EFFECT_BEGIN, NULL, NULL, false);
	session_state_apply(state, &local);
	uint64_t inside = session_state_stamp(state);
	cr_assert_neq(inside, stamp);
	apply(EFFECT_COMMIT, NULL, NULL, false);
	cr_assert_neq(session_state_stamp(state), inside, "SET LOCAL has ended");
	stamp = session_state_stamp(state);
	local.local = false;
	apply(EFFECT_BEGIN, NULL, NULL, false);
	session_state_apply(state, &local);
	inside = session_state_stamp(state);
	apply(EFFECT_COMMIT, NULL, NULL, false);
	cr_assert_eq(session_state_stamp(state), inside, "SET stays");
}

Test(session_state, a_transaction_that_changes_nothing_leaves_the_stamp)
{
	uint64_t stamp = session_state_stamp(state);
	apply(EFFECT_BEGIN, NULL, NULL, false);
	apply(EFFECT_SAVEPOINT, "s", NULL, false);
	apply(EFFECT_ROLLBACK_TO, "s", NULL, false);
	apply(EFFECT_RELEASE, "s", NULL, false);
	apply(EFFECT_COMMIT, NULL, NULL, false);
	cr_assert_eq(session_state_stamp(state), stamp);
	session_state_segment_begin(state);
	session_state_segment_end(state, 'I', false);
	cr_assert_eq(session_state_stamp(state), stamp);
}

Test(session_state, the_stamp_changes_with_what_names_mean_and_comes_back_with_a_rollback)
{
	uint64_t stamp = session_state_stamp(state);
	apply(EFFECT_BEGIN, NULL, NULL, false);
	set_path("data", true);
	uint64_t local = session_state_stamp(state);
	cr_assert_neq(local, stamp);
	apply(EFFECT_COMMIT, NULL, NULL, false);
	cr_assert_neq(session_state_stamp(state), local, "SET LOCAL has ended");
	stamp = session_state_stamp(state);
	apply(EFFECT_BEGIN, NULL, NULL, false);
	apply(EFFECT_ROLE, NULL, "bob", false);
	cr_assert_neq(session_state_stamp(state), stamp);
	apply(EFFECT_ROLLBACK, NULL, NULL, false);
	cr_assert_eq(session_state_stamp(state), stamp);
	apply(EFFECT_BEGIN, NULL, NULL, false);
	session_state_reported(state, "search_path", "other");
	apply(EFFECT_ROLLBACK, NULL, NULL, false);
	cr_assert_neq(session_state_stamp(state), stamp, "what is reported holds below, too");
}

Test(session_state, an_unknown_role_makes_names_unknown_until_it_is_learnt)
{
	apply(EFFECT_SET_UNKNOWN, "role", NULL, false);
	cr_assert_null(session_state_search_path(state));
	cr_assert_not(session_state_role_known(state));
	session_state_learnt_role(state, "alice", "bob");
	cr_assert_str_eq(session_state_user(state), "bob");
	cr_assert_not_null(session_state_search_path(state));
	session_state_learnt_role(state, "carol", "none");
	cr_assert_str_eq(session_state_user(state), "carol");
}

Test(session_state, a_role_learnt_in_a_transaction_is_asked_for_again_after_it)
{
	apply(EFFECT_BEGIN, NULL, NULL, false);
	apply(EFFECT_SET_UNKNOWN, "role", NULL, false);
	session_state_learnt_role(state, "alice", "bob");
	cr_assert_str_eq(session_state_user(state), "bob");
	apply(EFFECT_COMMIT, NULL, NULL, false);
	cr_assert_not(session_state_role_known(state));
	apply(EFFECT_RESET, "role", NULL, false);
	cr_assert(session_state_role_known(state), "RESET ROLE says it all");
	cr_assert_str_eq(session_state_user(state), "alice");
}

Test(session_state, prepared_statements_outlive_rollbacks)
{
	apply(EFFECT_BEGIN, NULL, NULL, false);
	apply(EFFECT_PREPARE, "p", "2 11", false);
	apply(EFFECT_ROLLBACK, NULL, NULL, false);
	cr_assert_str_eq(session_state_prepared_names(state, "p"), "2 11");
	cr_assert_null(session_state_prepared_names(state, "q"));
	struct session_state *copy = session_state_new("", "", NULL);
	session_state_assign(copy, state);
	apply(EFFECT_PREPARE, "p", NULL, false);
	cr_assert_not(session_state_has_prepared_names(state));
	cr_assert_str_eq(session_state_prepared_names(copy, "p"), "2 11");
	session_state_free(copy);
	for (int i = 0; i < 3000; i++) {
		char name[16];
		snprintf(name, sizeof(name), "p%d", i);
		apply(EFFECT_PREPARE, name, "1", false);
	}
	cr_assert_null(session_state_prepared_names(state, "p0"), "the oldest give way");
	cr_assert_str_eq(session_state_prepared_names(state, "p2999"), "1");
	static char many[40000], more[70000];
	memset(many, '1', sizeof(many) - 1);
	memset(more, '1', sizeof(more) - 1);
	apply(EFFECT_PREPARE, "many", many, false);
	apply(EFFECT_PREPARE, "again", many, false);
	apply(EFFECT_PREPARE, "more", more, false);
	cr_assert_null(session_state_prepared_names(state, "many"), "their bytes are bounded, too");
	cr_assert_not_null(session_state_prepared_names(state, "again"));
	cr_assert_null(session_state_prepared_names(state, "more"));
	apply(EFFECT_DISCARD_ALL, NULL, NULL, false);
	cr_assert_not(session_state_has_prepared_names(state));
}

Test(session_state, constraints_made_are_known_until_the_facts_tell)
{
	apply(EFFECT_CONSTRAINT_CREATED, "fk", "data", false);
	cr_assert(session_state_made_constraint(state, "data", "fk"));
	cr_assert_not(session_state_made_constraint(state, "public", "fk"));
	cr_assert_eq(session_state_relation(state, "data", "fk"), SESSION_RELATION_UNTOUCHED);
	session_state_forget_relations(state);
	cr_assert_not(session_state_made_constraint(state, "data", "fk"));
}

static void add_column(const char *name)
{
	session_state_apply(state, &(struct effect){ .kind = EFFECT_COLUMN_ADDED, .name = name, .value = "data", .text = "t" });
}

Test(session_state, columns_added_are_known_until_they_are_undone)
{
	apply(EFFECT_BEGIN, NULL, NULL, false);
	add_column("a");
	apply(EFFECT_SAVEPOINT, "s", NULL, false);
	add_column("b");
	cr_assert_str_eq(session_state_added_column(state, "data", "t", 0), "a");
	cr_assert_str_eq(session_state_added_column(state, "data", "t", 1), "b");
	cr_assert_null(session_state_added_column(state, "data", "t", 2));
	cr_assert_null(session_state_added_column(state, "dat", "t", 0));
	cr_assert_null(session_state_added_column(state, "data", "tt", 0));
	apply(EFFECT_ROLLBACK_TO, "s", NULL, false);
	cr_assert_null(session_state_added_column(state, "data", "t", 1));
	apply(EFFECT_ROLLBACK, NULL, NULL, false);
	cr_assert_null(session_state_added_column(state, "data", "t", 0));
}
