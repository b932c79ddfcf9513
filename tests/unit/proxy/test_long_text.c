/* Texts that are parsed elsewhere: the message waits, and nothing is parsed twice or for nothing. */
#include "talk.h"

#include <criterion/criterion.h>

enum { INLINE_BYTES = 16 };

static struct talk *talk;
static struct rewrite *result;
static unsigned jobs;

/* What comes of the job is kept until arrive(). */
static struct parse_job *parse(void *context, struct conversation *conversation, const struct parse_request *request)
{
	static char job;
	cr_assert_null(result, "two jobs at once");
	jobs++;
	result = rewriter_run(talk->env.rewriter, request->sql, request->protocol, request->state, request->ruleset);
	return (struct parse_job *)&job;
}

static const char *arrive(void)
{
	struct rewrite *arrived = result;
	cr_assert_not_null(arrived, "nothing is being parsed");
	result = NULL;
	conversation_parsed(&talk->conversation, arrived);
	return resumed(talk);
}

static void begin(void)
{
	talk = talk_begin("public");
	talk->env.parse = parse;
	talk->env.inline_bytes = INLINE_BYTES;
	result = NULL;
	jobs = 0;
	talk_publish(talk, "a b", "");
}

static void end(void)
{
	talk_end(talk);
}

TestSuite(long_text, .init = begin, .fini = end);

#define LONG "aaaaaaaaaaaaaaaa"

Test(long_text, waits_for_its_result_and_what_is_behind_it_too)
{
	cr_assert_str_eq(say(talk, "Q:old_" LONG " Q:short"), "");
	cr_assert_str_eq(arrive(), "Q[new " LONG "] Q[short]");
	cr_assert_eq(jobs, 1);
}

Test(long_text, a_long_prepared_statement_is_looked_at_elsewhere)
{
	cr_assert_str_eq(say(talk, "P:s=from_a_b_" LONG " S"), "");
	arrive();
	answer(talk, "1 Z:I");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(say(talk, "B:=s E: S"), "", "the worker does not parse it");
	cr_assert_str_eq(arrive(), "P[from data.a b " LONG "] C C P[from data.a b " LONG "] H");
	answer(talk, "1 3 3 1");
	cr_assert_str_eq(resumed(talk), "B E S");
	answer(talk, "2 C:SELECT_1 Z:I");
	cr_assert_eq(jobs, 2);
}

Test(long_text, exchanges_do_not_parse_again)
{
	say(talk, "P:s=from_a_$1_" LONG " S");
	arrive();
	answer(talk, "1 Z:I");
	say(talk, "D:Ss S");
	answer(talk, "t T:x Z:I");
	talk_publish(talk, "a b", "a");
	say(talk, "B:=s E: S");
	cr_assert_str_eq(arrive(), "P[from data.a $1 " LONG "] D C H");
	answer(talk, "1 t T:x 3");
	cr_assert_str_eq(resumed(talk), "P[from data.a $1 " LONG "] C C P[from data.a $1 " LONG "] H");
	answer(talk, "1 3 3 1");
	cr_assert_str_eq(resumed(talk), "B E S");
	answer(talk, "2 C:SELECT_1 Z:I");
	cr_assert_eq(jobs, 2);
}

Test(long_text, rules_that_change_meanwhile_ask_for_another_look)
{
	say(talk, "P:s=from_a_b_" LONG " S");
	arrive();
	answer(talk, "1 Z:I");
	talk_publish(talk, "a b", "a");
	say(talk, "B:=s E: S");
	talk_publish(talk, "a b", "b");
	cr_assert_str_eq(arrive(), "", "what came back is of other rules");
	cr_assert_str_eq(arrive(), "P[from a data.b " LONG "] C C P[from a data.b " LONG "] H");
	answer(talk, "1 3 3 1");
	resumed(talk);
	answer(talk, "2 C:SELECT_1 Z:I");
	cr_assert_eq(jobs, 3);
}

Test(long_text, a_long_text_runs_a_long_prepared_statement)
{
	say(talk, "Q:prepare_s_from_a_" LONG);
	arrive();
	answer(talk, "C:PREPARE Z:I");
	cr_assert_null(result, "what was prepared is looked at when it is run");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(say(talk, "Q:execute_s;path_" LONG), "");
	cr_assert_str_eq(arrive(), "", "now the statement that it runs");
	cr_assert_str_eq(arrive(), "", "and the text once more, since it has come to its turn again");
	cr_assert_str_eq(arrive(), "C P[prepare s from data.a " LONG "] B E C C S");
	answer(talk, "3 1 2 C:PREPARE 3 3 Z:I");
	cr_assert_str_eq(resumed(talk), "");
	cr_assert_str_eq(arrive(), "Q[execute s;path " LONG "]");
	answer(talk, "C:SELECT_1 C:SELECT_1 Z:I");
}

Test(long_text, a_session_that_leaves_takes_what_came_with_it)
{
	say(talk, "P:s=from_a_b_" LONG " S");
	arrive();
	answer(talk, "1 Z:I");
	talk_publish(talk, "a b", "a");
	say(talk, "B:=s E: S");
	struct rewrite *arrived = result;
	result = NULL;
	conversation_parsed(&talk->conversation, arrived);
}
