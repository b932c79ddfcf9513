/* DDL by somebody else: what fails for it is sent again, once, and only where nothing of it can be seen. */
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

TestSuite(retry, .init = begin, .fini = end);

/* The catalog was read; what the server gets then. */
static const char *looked(void)
{
	conversation_looked(&talk->conversation, talk->stale);
	conversation_fact_arrived(&talk->conversation);
	return resumed(talk);
}

#define GONE "E:42P01/relation_\"a\"_does_not_exist/6"

Test(retry, a_query_is_sent_again_under_new_rules)
{
	say(talk, "Q:from_a");
	cr_assert_str_eq(answer(talk, GONE " Z:I"), "");
	cr_assert_eq(talk->stale, 1);
	cr_assert(conversation_held(&talk->conversation));
	cr_assert_not(conversation_idle(&talk->conversation));
	cr_assert_str_eq(say(talk, "Q:next"), "", "what comes behind it waits");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(looked(), "Q[from data.a] Q[next]");
	cr_assert_str_eq(released(talk), "");
	cr_assert_str_eq(answer(talk, "T D C:SELECT_1 Z:I C:SELECT_1 Z:I"), "T D C Z C Z");
	cr_assert_eq(fake_ledger.ok, 1);
	cr_assert_eq(fake_ledger.error, 0);
	cr_assert(conversation_idle(&talk->conversation));
}

Test(retry, byte_by_byte)
{
	talk->chunk = 1;
	say(talk, "P:=from_a B:= E: S");
	cr_assert_str_eq(answer(talk, "N:01000/careful " GONE " Z:I"), "N:01000");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(looked(), "P[from data.a] B E S");
	cr_assert_str_eq(answer(talk, "1 2 C:SELECT_1 Z:I"), "1 2 C Z");
}

Test(retry, once_only)
{
	say(talk, "Q:from_a");
	answer(talk, GONE " Z:I");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(looked(), "Q[from data.a]");
	cr_assert_str_eq(answer(talk, GONE " Z:I"), "E:42P01:7 Z");
	cr_assert(conversation_idle(&talk->conversation));
}

Test(retry, without_new_rules_the_client_gets_its_error)
{
	say(talk, "Q:from_a");
	answer(talk, GONE " Z:I");
	say(talk, "Q:next");
	cr_assert_str_eq(looked(), "Q[next]");
	cr_assert_str_eq(released(talk), "E:42P01:6 Z");
	cr_assert_eq(fake_ledger.ok, 0);
	cr_assert_eq(fake_ledger.error, 1, "the server began it");
}

Test(retry, when_nobody_looks_the_client_gets_its_error)
{
	say(talk, "Q:from_a");
	answer(talk, GONE " Z:I");
	conversation_fact_arrived(&talk->conversation); /* the deadline */
	resumed(talk);
	cr_assert_str_eq(released(talk), "E:42P01:6 Z");
}

Test(retry, a_prepared_statement_is_prepared_anew)
{
	say(talk, "P:s=from_a S");
	answer(talk, "1 Z:I");
	say(talk, "B:=s D:P E: S");
	cr_assert_str_eq(answer(talk, GONE " Z:I"), "");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(looked(), "P[from data.a] C C P[from data.a] H");
	answer(talk, "1 3 3 1");
	cr_assert_str_eq(resumed(talk), "B D E S");
	cr_assert_str_eq(answer(talk, "2 T C:SELECT_1 Z:I"), "2 T C Z");
}

Test(retry, execute_in_sql)
{
	say(talk, "Q:prepare_s_from_a");
	answer(talk, "C:PREPARE Z:I");
	say(talk, "Q:execute_s");
	cr_assert_str_eq(answer(talk, GONE " Z:I"), "");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(looked(), "C P[prepare s from data.a] B E C C S");
	answer(talk, "3 1 2 C:PREPARE 3 3 Z:I");
	cr_assert_str_eq(resumed(talk), "Q[execute s]");
}

Test(retry, first_answers_of_several_statements_are_kept_back)
{
	say(talk, "P:=from_b B:= E: P:=from_a B:= E: S");
	cr_assert_str_eq(answer(talk, "1 2 C:SELECT_1 " GONE " Z:I"), "");
	cr_assert_eq(fake_ledger.ok, 0, "not yet");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(looked(), "P[from b] B E P[from data.a] B E S");
	cr_assert_str_eq(answer(talk, "1 2 C:SELECT_1 1 2 C:SELECT_1"), "1 2 C 1 2 C");
	cr_assert_str_eq(answer(talk, "Z:I"), "Z");
	cr_assert_eq(fake_ledger.ok, 2, "each once");
	cr_assert_eq(fake_ledger.error, 0);
}

Test(retry, what_is_not_sent_again_counts_when_the_client_gets_it)
{
	say(talk, "Q:from_b;from_a");
	answer(talk, "T D C:SELECT_1 " GONE " Z:I");
	looked();
	cr_assert_eq(fake_ledger.ok, 1);
	cr_assert_eq(fake_ledger.error, 1);
	say(talk, "Q:from_b;from_a");
	answer(talk, "T D C:SELECT_1 E:22012/zero Z:I");
	cr_assert_eq(fake_ledger.ok, 2);
	cr_assert_eq(fake_ledger.error, 2);
}

Test(retry, a_client_that_leaves_before_its_answers_is_counted)
{
	say(talk, "Q:from_b;from_a");
	answer(talk, "T D C:SELECT_1");
	cr_assert_eq(fake_ledger.ok, 0);
	talk_end(talk);
	cr_assert_eq(fake_ledger.ok, 1);
	begin();
}

Test(retry, first_answers_come_with_the_last_ones)
{
	say(talk, "Q:from_b;from_a");
	cr_assert_str_eq(answer(talk, "T D C:SELECT_1 T D"), "");
	cr_assert_str_eq(answer(talk, "C:SELECT_1 Z:I"), "T D C T D C Z");
	say(talk, "Q:from_b;from_a");
	cr_assert_str_eq(answer(talk, "T D C:SELECT_1 E:22012/zero Z:I"), "T D C E:22012 Z");
	say(talk, "Q:from_b;from_a");
	answer(talk, "T D C:SELECT_1 " GONE " Z:I");
	looked();
	cr_assert_str_eq(released(talk), "T D C E:42P01:6 Z");
}

Test(retry, a_statement_that_the_client_has_seen_an_answer_of_fails)
{
	say(talk, "P:=from_b B:= E: P:=from_a B:= E: S");
	cr_assert_str_eq(answer(talk, "1 2 C:SELECT_1 N:01000/well"), "1 2 C N:01000", "nothing overtakes it");
	cr_assert_str_eq(answer(talk, GONE " Z:I"), "E:42P01:6 Z");
}

Test(retry, last_words_are_not_kept_back)
{
	say(talk, "Q:from_b;from_a");
	cr_assert_str_eq(answer(talk, "T D"), "");
	cr_assert_str_eq(answer(talk, "E:57P01/shutdown"), "T D E:57P01");
}

Test(retry, long_answers_are_not_kept_back)
{
	char rows[6000] = "T";
	say(talk, "Q:from_b;from_a");
	for (int i = 0; i < 60; i++)
		strcat(rows, " D:0123456789012345678901234567890123456789012345678901234567890123456789012345678901234");
	answer(talk, rows);
	cr_assert_eq(talk->conversation.retry.answered, false);
	answer(talk, rows + 1);
	cr_assert_eq(talk->conversation.retry.answered, true);
	cr_assert_str_eq(answer(talk, GONE " Z:I"), "E:42P01:6 Z");
}

Test(retry, inside_a_transaction_it_fails_with_a_hint)
{
	say(talk, "Q:begin");
	answer(talk, "C:BEGIN Z:T");
	say(talk, "Q:from_a");
	cr_assert_str_eq(answer(talk, GONE " Z:E"), "E:42P01:6 Z");
	static const char hint[] = "HThe table may have been moved a moment ago.";
	cr_assert(memmem(talk->to_client.data, talk->to_client.len, hint, sizeof(hint) - 1) != NULL);
}

Test(retry, nothing_that_changes_the_session)
{
	say(talk, "Q:prepare_p_from_a");
	cr_assert_str_eq(answer(talk, GONE " Z:I"), "E:42P01:6 Z");
	say(talk, "Q:from_b;set_x;from_a");
	cr_assert_str_eq(answer(talk, GONE " Z:I"), "E:42P01:6 Z");
	say(talk, "Q:begin;from_a");
	cr_assert_str_eq(answer(talk, GONE " Z:I"), "E:42P01:6 Z");
}

Test(retry, nothing_with_more_behind_it)
{
	say(talk, "Q:from_a Q:from_b");
	cr_assert_str_eq(answer(talk, GONE " Z:I"), "E:42P01:6 Z");
	answer(talk, "C:SELECT_1 Z:I");
	say(talk, "P:=from_a B:= E: H");
	cr_assert_str_eq(answer(talk, GONE), "E:42P01:6", "the segment is not over");
	say(talk, "S");
	answer(talk, "Z:I");
}

Test(retry, other_errors_and_texts_outside_of_the_map_fail)
{
	say(talk, "Q:from_a");
	cr_assert_str_eq(answer(talk, "E:23505/twice Z:I"), "E:23505 Z");
	say(talk, "Q:from_a");
	cr_assert_str_eq(answer(talk, "E:42703/no_column Z:I"), "E:42703 Z");
	say(talk, "Q:nothing");
	cr_assert_str_eq(answer(talk, GONE " Z:I"), "E:42P01:6 Z");
}

Test(retry, nothing_beyond_the_limit)
{
	char word[600] = "Q:from_a_";
	memset(word + strlen(word), 'x', sizeof(word) - strlen(word) - 1);
	word[sizeof(word) - 1] = 0;
	say(talk, word);
	cr_assert_str_eq(answer(talk, GONE " Z:I"), "E:42P01:6 Z");
}
