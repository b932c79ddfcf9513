/* Prepared statements when rules, search_path or temporary tables change. */
#include "talk.h"

#include <criterion/criterion.h>

static struct talk *talk;

static void begin(void)
{
	talk = talk_begin("public");
	talk_publish(talk, "a b", "");
}

static void end(void)
{
	talk_end(talk);
}

TestSuite(reprepare, .init = begin, .fini = end);

static void prepare(const char *parse)
{
	say(talk, parse);
	answer(talk, "1 Z:I");
}

static void set_path(const char *path)
{
	char words[64];
	snprintf(words, sizeof(words), "Q:set_%s", path);
	say(talk, words);
	answer(talk, "C:SET Z:I");
}

#define EXPECT_IDLE() cr_assert(conversation_idle(&talk->conversation))

Test(reprepare, nothing_changed_nothing_happens)
{
	prepare("P:s=from_a S");
	cr_assert_str_eq(say(talk, "B:=s E: S"), "B E S");
	answer(talk, "2 C:SELECT_1 Z:I");
	talk_publish(talk, "a b", "b");
	cr_assert_str_eq(say(talk, "B:=s E: S"), "B E S", "another table has moved");
	answer(talk, "2 C:SELECT_1 Z:I");
	EXPECT_IDLE();
}

Test(reprepare, a_flip_is_followed_at_the_next_bind)
{
	prepare("P:s=from_a S");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(say(talk, "B:=s E: S"), "P[from data.a] C C P[from data.a] H");
	cr_assert_str_eq(answer(talk, "1 3 3"), "");
	cr_assert_str_eq(resumed(talk), "", "not all has been answered");
	cr_assert_str_eq(answer(talk, "1"), "");
	cr_assert_str_eq(resumed(talk), "B E S");
	cr_assert_str_eq(answer(talk, "2 D C:SELECT_1 Z:I"), "2 D C Z");
	cr_assert_str_eq(say(talk, "B:=s E: S"), "B E S", "once is enough");
	answer(talk, "2 C:SELECT_1 Z:I");
	talk_publish(talk, "a b", "");
	cr_assert_str_eq(say(talk, "B:=s E: S"), "P[from a] C C P[from a] H", "and back");
	answer(talk, "1 3 3 1");
	cr_assert_str_eq(resumed(talk), "B E S");
	answer(talk, "2 C:SELECT_1 Z:I");
	EXPECT_IDLE();
}

Test(reprepare, byte_by_byte)
{
	prepare("P:s=from_a S");
	talk_publish(talk, "a b", "a");
	talk->chunk = 1;
	cr_assert_str_eq(say(talk, "B:=s E: S"), "P[from data.a] C C P[from data.a] H");
	cr_assert_str_eq(answer(talk, "1 3 N:01000/careful 3 1"), "N:01000");
	cr_assert_str_eq(resumed(talk), "B E S");
	answer(talk, "2 C:SELECT_1 Z:I");
	EXPECT_IDLE();
}

Test(reprepare, the_unnamed_statement_follows_too)
{
	prepare("P:=from_a S");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(say(talk, "B:= E: S"), "P[from data.a] C P[from data.a] H");
	answer(talk, "1 3 1");
	cr_assert_str_eq(resumed(talk), "B E S");
	answer(talk, "2 C:SELECT_1 Z:I");
}

Test(reprepare, a_statement_that_the_map_did_not_know_is_looked_at_again)
{
	prepare("P:s=from_c S");
	talk_publish(talk, "a b c", "c");
	cr_assert_str_eq(say(talk, "B:=s E: S"), "P[from data.c] C C P[from data.c] H");
	answer(talk, "1 3 3 1");
	cr_assert_str_eq(resumed(talk), "B E S");
	answer(talk, "2 C:SELECT_1 Z:I");
	cr_assert_eq(fake_ledger.ok, 1);
}

Test(reprepare, outstanding_answers_come_first)
{
	prepare("P:s=from_a S");
	say(talk, "B:=s E: S");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(say(talk, "B:=s E: S"), "");
	answer(talk, "2 C:SELECT_1 Z:I");
	cr_assert_str_eq(resumed(talk), "P[from data.a] C C P[from data.a] H");
	answer(talk, "1 3 3 1");
	cr_assert_str_eq(resumed(talk), "B E S");
	answer(talk, "2 C:SELECT_1 Z:I");
}

Test(reprepare, in_the_middle_of_a_pipeline_what_is_sent_is_flushed)
{
	prepare("P:s=from_a S");
	cr_assert_str_eq(say(talk, "P:=select B:= E:"), "P[select] B E");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(say(talk, "B:=s E: S"), "H");
	answer(talk, "1 2 C:SELECT_1");
	cr_assert_str_eq(resumed(talk), "P[from data.a] C C P[from data.a] H");
	answer(talk, "1 3 3 1");
	cr_assert_str_eq(resumed(talk), "B E S");
	cr_assert_str_eq(answer(talk, "2 C:SELECT_1 Z:I"), "2 C Z");
	EXPECT_IDLE();
}

Test(reprepare, what_a_transaction_has_touched_is_not_prepared_anew_in_it)
{
	prepare("P:s=from_a S");
	say(talk, "Q:begin");
	answer(talk, "C:BEGIN Z:T");
	say(talk, "B:p=s E:p=1 S");
	answer(talk, "2 D s Z:T");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(say(talk, "B:=s E: E:p S"), "B E E S");
	answer(talk, "2 C:SELECT_1 D C:SELECT_1 Z:T");
	say(talk, "Q:commit");
	answer(talk, "C:COMMIT Z:I");
	cr_assert_str_eq(say(talk, "B:=s S"), "P[from data.a] C C P[from data.a] H");
}

Test(reprepare, a_version_that_fails_is_the_answer_and_the_old_one_stays)
{
	prepare("P:s=from_a S");
	talk_publish(talk, "a b", "a");
	say(talk, "B:=s E: S");
	cr_assert_str_eq(answer(talk, "E:42501/denied/3"), "E:42501:4", "with its place in the client's text");
	cr_assert_str_eq(resumed(talk), "B E S", "which the server skips");
	cr_assert_str_eq(answer(talk, "Z:I"), "Z");
	EXPECT_IDLE();
	talk_publish(talk, "a b", "");
	cr_assert_str_eq(say(talk, "B:=s E: S"), "B E S");
	answer(talk, "2 C:SELECT_1 Z:I");
}

Test(reprepare, a_statement_lost_half_way_is_made_again)
{
	prepare("P:s=from_a S");
	talk_publish(talk, "a b", "a");
	say(talk, "B:=s E: S");
	answer(talk, "1 3 3 E:42501/denied");
	resumed(talk);
	answer(talk, "Z:I");
	talk_publish(talk, "a b", "");
	cr_assert_str_eq(say(talk, "B:=s E: S"), "P[from a] C C P[from a] H");
	answer(talk, "1 3 3 1");
	cr_assert_str_eq(resumed(talk), "B E S");
	answer(talk, "2 C:SELECT_1 Z:I");
}

Test(reprepare, in_an_aborted_transaction_the_server_has_the_word)
{
	prepare("P:s=from_a S");
	say(talk, "Q:boom");
	answer(talk, "E:22012/zero Z:E");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(say(talk, "B:=s E: S"), "B E S");
	cr_assert_str_eq(answer(talk, "E:25P02/aborted Z:E"), "E:25P02 Z");
}

Test(reprepare, a_flip_to_a_refusal_refuses_and_keeps_the_statement)
{
	prepare("P:s=here_x S");
	set_path("nowhere,");
	cr_assert_str_eq(say(talk, "B:=s"), "P[SHOW search_path] B E C C S");
	answer(talk, "1 2 E:42501/denied Z:I");
	cr_assert_str_eq(resumed(talk), "P[SELECT crossfade_refused_statement]");
	say(talk, "E: S");
	answer(talk, "E:42703/column_crossfade_refused_statement Z:I");
	set_path("public");
	cr_assert_str_eq(say(talk, "B:=s E: S"), "B E S");
	answer(talk, "2 C:SELECT_1 Z:I");
	EXPECT_IDLE();
}

/* ---- state ---- */

Test(reprepare, search_path_is_followed)
{
	prepare("P:s=here_x S");
	set_path("other");
	cr_assert_str_eq(say(talk, "B:=s E: S"), "P[here other.x] C C P[here other.x] H");
	answer(talk, "1 3 3 1");
	cr_assert_str_eq(resumed(talk), "B E S");
	answer(talk, "2 C:SELECT_1 Z:I");
	set_path("public");
	cr_assert_str_eq(say(talk, "B:=s E: S"), "P[here x] C C P[here x] H");
}

Test(reprepare, a_setting_under_way_is_waited_for)
{
	prepare("P:s=here_x S");
	cr_assert_str_eq(say(talk, "Q:set_other B:=s E: S"), "Q[set other]");
	answer(talk, "C:SET Z:I");
	cr_assert_str_eq(resumed(talk), "P[here other.x] C C P[here other.x] H");
}

Test(reprepare, transactions_alone_change_nothing)
{
	prepare("P:s=here_x S");
	cr_assert_str_eq(say(talk, "Q:begin B:=s E: S Q:commit Q:begin B:=s E: S"),
			 "Q[begin] B E S Q[commit] Q[begin] B E S");
}

/* ---- types and columns ---- */

Test(reprepare, types_that_nobody_knows_are_asked_for)
{
	prepare("P:s=from_a_$1 S");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(say(talk, "B:=s E: S"),
			 "P[SELECT pg_catalog.array_to_string(parameter_types::pg_catalog.oid[], ' ') FROM "
			 "pg_catalog.pg_prepared_statements WHERE name OPERATOR(pg_catalog.=) $1] B E C C H");
	cr_assert_str_eq(answer(talk, "1 2 D:23_1043 C:SELECT_1 3 3"), "");
	struct slice types = talk->conversation.statements.named->prepared->types;
	cr_assert_eq(types.len, 10);
	cr_assert_arr_eq(types.data, "\0\2\0\0\0\x17\0\0\4\x13", 10);
	cr_assert_str_eq(resumed(talk), "P[from data.a $1] C C P[from data.a $1] H");
	answer(talk, "1 3 3 1");
	cr_assert_str_eq(resumed(talk), "B E S");
	answer(talk, "2 C:SELECT_1 Z:I");
}

static void describe(const char *columns)
{
	char words[64];
	snprintf(words, sizeof(words), "t %s Z:I", columns);
	say(talk, "D:Ss S");
	answer(talk, words);
}

Test(reprepare, what_was_described_must_have_the_same_columns)
{
	prepare("P:s=from_a_$1 S");
	describe("T:x");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(say(talk, "B:=s E: S"), "P[from data.a $1] D C H");
	cr_assert_str_eq(answer(talk, "1 t T:x 3"), "");
	cr_assert_str_eq(resumed(talk), "P[from data.a $1] C C P[from data.a $1] H");
	answer(talk, "1 3 3 1");
	cr_assert_str_eq(resumed(talk), "B E S");
	answer(talk, "2 C:SELECT_1 Z:I");
}

Test(reprepare, other_columns_are_an_error_as_the_server_has_it)
{
	prepare("P:s=from_a S");
	describe("T:xx");
	talk_publish(talk, "a b", "a");
	say(talk, "B:=s E: S");
	answer(talk, "1 t T:yy 3");
	cr_assert_str_eq(resumed(talk), "P[SELECT crossfade_refused_statement] E S");
	cr_assert(talk->conversation.pipeline.ring[talk->conversation.pipeline.head].flags & REQUEST_OTHER_COLUMNS);
	answer(talk, "E:42703/crossfade Z:I");
	EXPECT_IDLE();
}

/* ---- names ---- */

Test(reprepare, a_closed_or_deallocated_statement_is_left_alone)
{
	prepare("P:s=from_a S");
	prepare("P:t=from_a S");
	say(talk, "C:Ss S");
	answer(talk, "3 Z:I");
	say(talk, "Q:deallocate_t");
	answer(talk, "C:DEALLOCATE Z:I");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(say(talk, "B:=s S B:=t S"), "B S B S");
}

Test(reprepare, a_failed_parse_gives_the_earlier_text_back)
{
	prepare("P:s=from_a S");
	say(talk, "P:s=from_b S");
	answer(talk, "E:42P05/twice Z:I");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(say(talk, "B:=s S"), "P[from data.a] C C P[from data.a] H");
}

Test(reprepare, texts_beyond_the_limit_must_be_prepared_again)
{
	char word[700];
	memset(word, 'x', sizeof(word));
	memcpy(word, "P:s=from_a_", 11);
	word[sizeof(word) - 1] = 0;
	say(talk, word);
	say(talk, "S");
	answer(talk, "1 Z:I");
	talk_publish(talk, "a b", "b");
	cr_assert_str_eq(say(talk, "B:=s S"), "B S", "its table has not moved");
	answer(talk, "2 Z:I");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(say(talk, "B:=s S"), "P[SELECT crossfade_refused_statement] S");
	answer(talk, "E:42703/crossfade Z:I");
}

Test(reprepare, the_limit_counts_what_is_kept_now)
{
	char word[300];
	for (int i = 0; i < 10; i++) {
		memset(word, 'x', sizeof(word));
		memcpy(word, "P:s=from_a_", 11);
		word[sizeof(word) - 1] = 0;
		say(talk, word);
		say(talk, "S");
		answer(talk, "1 Z:I");
		cr_assert(talk->conversation.statements.named->prepared->text, "round %d", i);
		say(talk, "C:Ss S");
		answer(talk, "3 Z:I");
	}
}

/* ---- SQL ---- */

Test(reprepare, execute_in_sql_follows_a_flip)
{
	say(talk, "Q:prepare_s_from_a");
	answer(talk, "C:PREPARE Z:I");
	cr_assert_str_eq(say(talk, "Q:execute_s"), "Q[execute s]");
	answer(talk, "C:SELECT_1 Z:I");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(say(talk, "Q:execute_s"), "C P[prepare s from data.a] B E C C S");
	cr_assert_str_eq(answer(talk, "3 1 2 C:PREPARE 3 3 Z:I"), "");
	cr_assert_str_eq(resumed(talk), "Q[execute s]");
	cr_assert_str_eq(answer(talk, "C:SELECT_1 Z:I"), "C Z");
	cr_assert_str_eq(say(talk, "Q:execute_s"), "Q[execute s]");
	answer(talk, "C:SELECT_1 Z:I");
	EXPECT_IDLE();
}

Test(reprepare, an_error_ahead_of_a_query_takes_its_place)
{
	say(talk, "Q:prepare_s_from_a");
	answer(talk, "C:PREPARE Z:I");
	talk_publish(talk, "a b", "a");
	say(talk, "Q:execute_s Q:select_1");
	cr_assert_str_eq(answer(talk, "3 1 2 E:42501/denied Z:I"), "E:42501 Z");
	cr_assert_str_eq(resumed(talk), "Q[select 1]", "the EXECUTE is not sent");
	cr_assert_str_eq(answer(talk, "C:SELECT_1 Z:I"), "C Z");
	EXPECT_IDLE();
	cr_assert_str_eq(say(talk, "Q:execute_s"), "C P[prepare s from data.a] B E C C S", "it is tried again");
}

Test(reprepare, execute_in_a_batch_follows_too)
{
	say(talk, "Q:prepare_s_from_a");
	answer(talk, "C:PREPARE Z:I");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(say(talk, "P:e=execute_s B:=e E: S"), "C P[prepare s from data.a] B E C C H");
	answer(talk, "3 1 2 C:PREPARE 3 3");
	cr_assert_str_eq(resumed(talk), "P[execute s] B E S");
	answer(talk, "1 2 C:SELECT_1 Z:I");
	talk_publish(talk, "a b", "");
	cr_assert_str_eq(say(talk, "B:=e E: S"), "C P[prepare s from a] B E C C H", "from a prepared EXECUTE");
	answer(talk, "3 1 2 C:PREPARE 3 3");
	cr_assert_str_eq(resumed(talk), "B E S");
	answer(talk, "2 C:SELECT_1 Z:I");
}

Test(reprepare, sql_executes_what_the_protocol_prepared)
{
	prepare("P:s=from_a S");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(say(talk, "Q:execute_s"), "P[from data.a] C C P[from data.a] S");
	answer(talk, "1 3 3 1 Z:I");
	cr_assert_str_eq(resumed(talk), "Q[execute s]");
	answer(talk, "C:SELECT_1 Z:I");
}

Test(reprepare, a_setting_in_the_same_text_is_refused_where_it_matters)
{
	say(talk, "Q:prepare_s_here_x Q:prepare_t_from_a");
	answer(talk, "C:PREPARE Z:I C:PREPARE Z:I");
	cr_assert_str_eq(say(talk, "Q:set_other;execute_t"), "Q[set other;execute t]");
	answer(talk, "C:SET C:SELECT_1 Z:I");
	set_path("public");
	cr_assert_str_eq(say(talk, "Q:set_other;execute_s"), "Q[SELECT crossfade_refused_statement]");
	answer(talk, "E:42703/crossfade Z:I");
	cr_assert_str_eq(say(talk, "Q:set_public;execute_s"), "Q[set public;execute s]", "it stays what it is");
	answer(talk, "C:SET C:SELECT_1 Z:I");
	EXPECT_IDLE();
}
