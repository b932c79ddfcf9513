/* COPY and the Syncs that it swallows. */
#include "talk.h"

#include <criterion/criterion.h>

static struct talk *talk;

static void begin(void)
{
	talk = talk_begin("public");
}

static void end(void)
{
	talk_end(talk);
}

TestSuite(copy, .init = begin, .fini = end);

static void expect_alive(void)
{
	say(talk, "Q:used_last");
	answer(talk, "C:SELECT_1 Z:I");
	cr_assert_str_eq(fake_ledger.last, "used last");
	cr_assert_eq(talk->conversation.pipeline.count, 0);
	cr_assert(conversation_idle(&talk->conversation));
}

Test(copy, by_query_counts_its_rows)
{
	say(talk, "Q:used_copy");
	answer(talk, "G");
	cr_assert_str_eq(say(talk, "d:1 d:2 c"), "d d c");
	answer(talk, "C:COPY_2 Z:I");
	cr_assert_eq(fake_ledger.rows, 2);
	expect_alive();
}

Test(copy, libpqs_sync_right_after_execute_is_swallowed)
{
	say(talk, "P:=used_copy B:= D:P E: S");
	answer(talk, "1 2 n G");
	say(talk, "d:1 c S");
	answer(talk, "C:COPY_1 Z:I");
	cr_assert_eq(fake_ledger.ok, 1);
	expect_alive();
}

Test(copy, a_sync_during_copy_is_swallowed)
{
	say(talk, "P:=used_copy B:= E: H");
	answer(talk, "1 2 G");
	say(talk, "S d:1 S d:2 c S");
	answer(talk, "C:COPY_2 Z:I");
	expect_alive();
}

Test(copy, pipelined_whole_keeps_its_sync)
{
	say(talk, "P:=used_copy B:= E: d:1 c S Q:used_2");
	answer(talk, "1 2 G C:COPY_1 Z:I C:SELECT_1 Z:I");
	cr_assert_eq(fake_ledger.ok, 2);
	expect_alive();
}

Test(copy, two_in_one_query)
{
	say(talk, "Q:used_a;used_b");
	answer(talk, "G");
	say(talk, "d:1 c");
	answer(talk, "C:COPY_1 G");
	cr_assert(talk->conversation.copy_in);
	say(talk, "d:1 c");
	answer(talk, "C:COPY_1 Z:I");
	cr_assert_eq(fake_ledger.ok, 2);
	expect_alive();
}

Test(copy, an_error_before_the_swallowed_sync_gives_a_stray_ready)
{
	say(talk, "P:=used_copy B:= E: S");
	answer(talk, "1 2 G E:22000/trigger Z:I");
	say(talk, "d:1 c S");
	answer(talk, "Z:I");
	expect_alive();
}

Test(copy, an_error_after_the_swallowed_sync)
{
	say(talk, "P:=used_copy B:= E: S");
	answer(talk, "1 2 G");
	say(talk, "d:bad");
	answer(talk, "E:22P02/bad");
	say(talk, "d:1 c S");
	answer(talk, "Z:I");
	expect_alive();
}

Test(copy, an_error_when_all_was_sent)
{
	say(talk, "P:=used_copy B:= E: S");
	answer(talk, "1 2 G");
	say(talk, "d:bad c S");
	answer(talk, "E:22P02/bad Z:I");
	cr_assert_eq(fake_ledger.error, 1);
	expect_alive();
}

Test(copy, a_stray_ready_does_not_end_the_next_query)
{
	say(talk, "P:=used_copy B:= E: S");
	answer(talk, "1 2 G E:22000/trigger");
	say(talk, "d:1 c S Q:used_next");
	answer(talk, "Z:I Z:I C:SELECT_3 Z:I");
	cr_assert_eq(fake_ledger.rows, 3);
	expect_alive();
}

Test(copy, failing_by_the_client)
{
	say(talk, "Q:used_copy");
	answer(talk, "G");
	say(talk, "d:1 f:no");
	answer(talk, "E:57014/copy_failed Z:I");
	cr_assert_not(talk->conversation.copy_in);
}

Test(copy, a_message_that_breaks_it_is_consumed)
{
	say(talk, "Q:used_copy Q:used_breaker");
	answer(talk, "G E:08P01/unexpected Z:I");
	cr_assert(conversation_idle(&talk->conversation), "nothing will be answered any more");
	expect_alive();
}

Test(copy, ends_outside_of_copy_mean_nothing)
{
	cr_assert_str_eq(say(talk, "d:x c f:x Q:used_1"), "d c f Q[used 1]");
	answer(talk, "C:SELECT_1 Z:I");
	expect_alive();
}

Test(copy, effects_survive_a_swallowed_sync)
{
	say(talk, "P:=set_a B:= E: P:=used_copy B:= E: S");
	answer(talk, "1 2 C:SET 1 2 G");
	say(talk, "d:1 c S Q:path");
	cr_assert_eq(talk->conversation.hold, HOLD_SETTLE);
	answer(talk, "C:COPY_1 Z:I");
	cr_assert_str_eq(resumed(talk), "Q[path]");
	cr_assert_str_eq(fake_last_path, "a");
	answer(talk, "C:SELECT_1 Z:I");
}

/* Its effects went over to the segment that goes on; they are not undone twice. */
Test(copy, a_failure_after_a_swallowed_sync_with_effects)
{
	say(talk, "P:=set_a B:= E: P:=used_copy B:= E: S");
	answer(talk, "1 2 C:SET 1 2 G");
	say(talk, "d:bad");
	answer(talk, "E:22P02/bad");
	say(talk, "c S");
	answer(talk, "Z:I");
	cr_assert_eq(talk->conversation.vars.unsettled, 0);
	cr_assert_str_eq(say(talk, "Q:path"), "Q[path]");
	cr_assert_str_eq(fake_last_path, "public");
	answer(talk, "C:SELECT_1 Z:I");
	expect_alive();
}
