/* The search_path that only the server knows. */
#include "talk.h"

#include <criterion/criterion.h>

static struct talk *talk;

static void begin(void)
{
	talk = talk_begin(NULL);
}

static void end(void)
{
	talk_end(talk);
}

TestSuite(hidden, .init = begin, .fini = end);

#define ASKING "P[SHOW search_path] B E C C"

Test(hidden, the_server_is_asked_once_and_the_client_sees_nothing)
{
	cr_assert_str_eq(say(talk, "Q:path Q:select_1"), ASKING " S");
	cr_assert_str_eq(answer(talk, "1 2 D:theirs C:SHOW 3 3 Z:I"), "");
	cr_assert_str_eq(resumed(talk), "Q[path] Q[select 1]");
	cr_assert_str_eq(fake_last_path, "theirs");
	cr_assert_str_eq(answer(talk, "T C:SELECT_1 Z:I T C:SELECT_1 Z:I"), "T C Z T C Z");
	cr_assert_str_eq(say(talk, "Q:path"), "Q[path]");
}

Test(hidden, what_the_server_says_meanwhile_on_its_own_passes)
{
	say(talk, "Q:path");
	cr_assert_str_eq(answer(talk, "1 2 A:x N:01000/y D:theirs S:geqo=off C:SHOW 3 3 Z:I"), "A N:01000 S");
}

Test(hidden, byte_by_byte)
{
	talk->chunk = 1;
	say(talk, "Q:path");
	cr_assert_str_eq(answer(talk, "1 2 D:theirs C:SHOW 3 3 Z:I"), "");
	cr_assert_str_eq(resumed(talk), "Q[path]");
	cr_assert_str_eq(fake_last_path, "theirs");
}

Test(hidden, inside_a_segment_outstanding_answers_are_flushed_first)
{
	cr_assert_str_eq(say(talk, "P:=select B:= E: P:=path"), "P[select] B E H");
	cr_assert_str_eq(answer(talk, "1 2 C:SELECT_1"), "1 2 C");
	cr_assert_str_eq(resumed(talk), ASKING " H");
	cr_assert_str_eq(answer(talk, "1 2 D:theirs C:SHOW 3 3"), "");
	cr_assert_str_eq(resumed(talk), "P[path]");
	cr_assert_str_eq(say(talk, "B:= E: S"), "B E S");
	cr_assert_str_eq(answer(talk, "1 2 C:SELECT_1 Z:I"), "1 2 C Z");
}

Test(hidden, never_in_an_aborted_transaction)
{
	say(talk, "Q:boom");
	answer(talk, "E:22012/zero Z:E");
	cr_assert_str_eq(say(talk, "Q:path"), "Q[SELECT crossfade_refused_statement]");
	cr_assert_str_eq(answer(talk, "E:25P02/aborted Z:E"), "E:25P02 Z");
}

Test(hidden, when_the_segment_failed_before_it_is_not_asked)
{
	say(talk, "P:=boom B:= E: P:=path");
	answer(talk, "1 2 E:22012/zero");
	cr_assert_str_eq(resumed(talk), "P[SELECT crossfade_refused_statement]");
	cr_assert_str_eq(say(talk, "S"), "S");
	cr_assert_str_eq(answer(talk, "Z:I"), "Z");
	cr_assert_eq(talk->conversation.pipeline.count, 0);
}

Test(hidden, an_error_between_segments_stays_hidden_and_the_text_is_refused)
{
	say(talk, "Q:path");
	cr_assert_str_eq(answer(talk, "E:42501/denied Z:I"), "");
	cr_assert_str_eq(resumed(talk), "Q[SELECT crossfade_refused_statement]");
}

Test(hidden, a_cancel_meanwhile_is_the_waiting_statements)
{
	say(talk, "Q:path");
	cr_assert_str_eq(answer(talk, "1 2 E:57014/cancelled Z:I"), "");
	cr_assert_str_eq(resumed(talk), "Q[SELECT crossfade_refused_statement]");
	cr_assert_str_eq(answer_stand_in(talk), "57014");
	answer(talk, "Z:I");
	cr_assert_str_eq(say(talk, "Q:path"), ASKING " S", "only the statement at hand was cancelled");
	answer(talk, "1 2 D:theirs C:SHOW 3 3 Z:I");
	cr_assert_str_eq(resumed(talk), "Q[path]");
}

Test(hidden, a_cancel_meanwhile_in_a_transaction_says_so_though_the_transaction_has_failed)
{
	say(talk, "Q:begin");
	answer(talk, "C:BEGIN Z:T");
	say(talk, "Q:path");
	cr_assert_str_eq(answer(talk, "E:57014/cancelled Z:E"), "");
	cr_assert_str_eq(resumed(talk), "Q[SELECT crossfade_refused_statement]");
	cr_assert_str_eq(answer(talk, "E:25P02/aborted Z:E"), "E:57014 Z");
	say(talk, "Q:select");
	cr_assert_str_eq(answer(talk, "E:25P02/aborted Z:E"), "E:25P02 Z");
}

Test(hidden, a_path_that_cannot_be_read_is_not_asked_for_again)
{
	say(talk, "Q:path");
	cr_assert_str_eq(answer(talk, "1 2 D:theirs, C:SHOW 3 3 Z:I"), "");
	cr_assert_str_eq(resumed(talk), "Q[SELECT crossfade_refused_statement]");
}

Test(hidden, an_error_inside_a_segment_reaches_the_client)
{
	say(talk, "P:=select P:=path");
	answer(talk, "1");
	resumed(talk);
	cr_assert_str_eq(answer(talk, "E:42501/denied"), "E:42501");
	resumed(talk);
	say(talk, "S");
	cr_assert_str_eq(answer(talk, "Z:I"), "Z");
	cr_assert(conversation_idle(&talk->conversation));
}

Test(hidden, a_fatal_error_reaches_the_client)
{
	say(talk, "Q:path");
	cr_assert_str_eq(answer(talk, "E:57P01/shutdown"), "E:57P01");
	cr_assert(talk->conversation.server_fatal);
}

Test(hidden, after_code_the_temporary_tables_are_asked_for_in_the_same_exchange)
{
	static const struct effect code[] = { { .kind = EFFECT_SET_UNKNOWN, .name = "search_path" },
					      { .kind = EFFECT_SET_UNKNOWN, .name = EFFECT_TEMPS } };
	struct session_state *state = talk->conversation.vars.confirmed;
	session_state_apply(state, &code[0]);
	session_state_apply(state, &code[1]);
	cr_assert_str_eq(say(talk, "Q:path"), ASKING " P[SELECT relname FROM pg_catalog.pg_class WHERE relnamespace "
					      "OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()] B E C C S");
	cr_assert_str_eq(answer(talk, "1 2 D:theirs C:SHOW 3 3"), "");
	cr_assert_str_eq(resumed(talk), "", "not all is known");
	cr_assert_str_eq(answer(talk, "1 2 D:some D:other C:SELECT_2 3 3 Z:I"), "");
	cr_assert_str_eq(resumed(talk), "Q[path]");
	cr_assert_str_eq(fake_last_path, "theirs");
	cr_assert_not(session_state_has_temp(state, "some"), "the map has no such name");
}

Test(hidden, after_code_the_role_is_asked_for_too)
{
	static const struct effect code[] = { { .kind = EFFECT_SET_UNKNOWN, .name = "role" } };
	struct session_state *state = talk->conversation.vars.confirmed;
	session_state_apply(state, &code[0]);
	cr_assert_str_eq(say(talk, "Q:path"),
			 ASKING " P[SHOW session_authorization] B E C C P[SHOW role] B E C C S");
	cr_assert_str_eq(answer(talk, "1 2 D:theirs C:SHOW 3 3 1 2 D:alice C:SHOW 3 3"), "");
	cr_assert_str_eq(resumed(talk), "", "not all is known");
	cr_assert_str_eq(answer(talk, "1 2 D:bob C:SHOW 3 3 Z:I"), "");
	cr_assert_str_eq(resumed(talk), "Q[path]");
	cr_assert_str_eq(session_state_user(state), "bob");
	answer(talk, "T C:SELECT_1 Z:I");
	session_state_apply(state, &code[0]);
	say(talk, "Q:path");
	answer(talk, "1 2 D:theirs C:SHOW 3 3 1 2 D:alice C:SHOW 3 3 1 2 D:none C:SHOW 3 3 Z:I");
	cr_assert_str_eq(session_state_user(state), "alice");
}
