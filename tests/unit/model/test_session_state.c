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
