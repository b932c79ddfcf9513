/* The conversation as both sides see it: what comes out for what goes in. */
#include "rules.h"
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

#define AT_REST()                                                                                  \
	do {                                                                                       \
		cr_assert_eq(talk->conversation.pipeline.count, 0);                                \
		cr_assert(conversation_idle(&talk->conversation));                                 \
	} while (0)

TestSuite(conversation, .init = begin, .fini = end);

Test(conversation, what_needs_no_change_passes_byte_for_byte)
{
	cr_assert_str_eq(say(talk, "Q:select_1"), "Q[select 1]");
	cr_assert_str_eq(answer(talk, "T D D C:SELECT_2 Z:I"), "T D D C Z");
	AT_REST();
}

Test(conversation, a_query_is_rewritten_and_counted_with_its_rows)
{
	cr_assert_str_eq(say(talk, "Q:old_x"), "Q[new x]");
	answer(talk, "T D C:SELECT_7 Z:I");
	cr_assert_eq(fake_ledger.ok, 1);
	cr_assert_eq(fake_ledger.rows, 7);
	AT_REST();
}

Test(conversation, a_text_that_arrives_byte_by_byte_is_rewritten_as_a_whole)
{
	talk->chunk = 1;
	cr_assert_str_eq(say(talk, "P:s=old_x B:p=s D:Pp E:p S"), "P[new x] B D E S");
	cr_assert_str_eq(answer(talk, "1 2 T D C:SELECT_1 Z:I"), "1 2 T D C Z");
	cr_assert_eq(fake_ledger.ok, 1);
	AT_REST();
}

Test(conversation, positions_of_errors_and_notices_lie_in_the_original)
{
	say(talk, "Q:old_x");
	cr_assert_str_eq(answer(talk, "N:01000/careful/3 E:42703/no_column/8 Z:I"), "N:01000:4 E:42703:9 Z");
	cr_assert_eq(fake_ledger.error, 1);
	AT_REST();
}

Test(conversation, errors_of_unchanged_texts_pass_as_they_came)
{
	say(talk, "Q:used_x");
	cr_assert_str_eq(answer(talk, "E:42703/no_column/8 Z:I"), "E:42703:8 Z");
}

Test(conversation, a_refusal_takes_the_place_of_the_failure_that_stands_in_for_it)
{
	cr_assert_str_eq(say(talk, "Q:old_x;refuse_y"), "Q[new x;refuse y SELECT crossfade_refused_statement]");
	cr_assert_str_eq(answer(talk, "C:SELECT_1 E:42703/column_\"crossfade_refused_statement\"_does_not_exist Z:I"),
			 "C E:42703 Z"); /* '_' is a blank in these words: not the mark */
	AT_REST();
}

static const char *answer_mark(const char *status)
{
	struct buf bytes = { 0 };
	static struct buf out;
	size_t at = frame_begin(&bytes, 'E');
	static const char fields[] = "SERROR\0VERROR\0C42703\0Mcolumn \"crossfade_refused_statement\" does not exist\0P8\0";
	buf_append(&bytes, fields, sizeof(fields));
	frame_end(&bytes, at);
	if (*status) {
		at = frame_begin(&bytes, 'Z');
		buf_append_str(&bytes, status);
		frame_end(&bytes, at);
	}
	struct round round = { output_of(&talk->to_server), output_of(&talk->to_client) };
	cr_assert_eq(conversation_from_server(&talk->conversation, bytes.data, bytes.len, &round), bytes.len);
	buf_clear(&out);
	buf_append_slice(&out, output_slice(&round.to_client));
	buf_deinit(&bytes);
	return out.len > 5 ? strcmp(out.data + 5, "SERROR") == 0 ? out.data : NULL : NULL;
}

static bool mentions(const char *message, const char *text)
{
	return memmem(message, frame_peek(message).size, text, strlen(text)) != NULL;
}

Test(conversation, a_refused_query_is_answered_with_the_refusal)
{
	say(talk, "Q:refuse_x");
	const char *error = answer_mark("I");
	cr_assert(mentions(error, "C0A000"));
	cr_assert(mentions(error, "Mrefused by the map"));
	cr_assert_not(mentions(error, "P8"));
	cr_assert_eq(fake_ledger.refused, 1);
	AT_REST();
}

Test(conversation, a_refused_parse_is_answered_with_the_refusal_and_skips_to_sync)
{
	cr_assert_str_eq(say(talk, "P:=refuse_x B:= E: S"), "P[refuse x SELECT crossfade_refused_statement] B E S");
	const char *error = answer_mark("I");
	cr_assert(mentions(error, "C0A000"));
	cr_assert_eq(fake_ledger.refused, 1);
	AT_REST();
}

Test(conversation, a_refused_statement_in_an_aborted_transaction_gets_the_servers_25P02)
{
	say(talk, "Q:refuse_x");
	cr_assert_str_eq(answer(talk, "E:25P02/aborted Z:E"), "E:25P02 Z");
	cr_assert_eq(fake_ledger.refused, 0);
	cr_assert_eq(fake_ledger.error, 0); /* the server began nothing */
}

Test(conversation, after_an_error_everything_up_to_sync_is_skipped)
{
	say(talk, "P:=used_1 B:= E: P:=used_2 B:= E: S Q:used_3");
	cr_assert_str_eq(answer(talk, "1 2 E:22012/zero Z:I"), "1 2 E:22012 Z");
	cr_assert_eq(talk->conversation.pipeline.count, 1);
	answer(talk, "C:SELECT_1 Z:I");
	cr_assert_str_eq(fake_ledger.last, "used 3");
	cr_assert_eq(fake_ledger.ok, 1);
	cr_assert_eq(fake_ledger.error, 1);
	AT_REST();
}

Test(conversation, requests_sent_while_the_server_skips_expect_no_answer)
{
	say(talk, "P:=used_1 B:= E: H");
	answer(talk, "1 2 E:22012/zero");
	say(talk, "B:= E: Q:select_1");
	cr_assert_eq(talk->conversation.pipeline.count, 0);
	say(talk, "S");
	cr_assert_eq(talk->conversation.pipeline.count, 1);
	answer(talk, "Z:I");
	AT_REST();
}

Test(conversation, texts_are_rewritten_even_while_the_server_skips)
{
	say(talk, "P:=bad H");
	answer(talk, "E:42601/syntax");
	cr_assert_str_eq(say(talk, "P:=old_x Q:old_y S"), "P[new x] Q[new y] S");
	answer(talk, "Z:I");
	AT_REST();
}

Test(conversation, a_portal_is_counted_once_however_often_it_is_executed)
{
	say(talk, "P:=used_1 B:p= E:p=2 E:p=2 E:p S");
	answer(talk, "1 2 D D s D D s D C:SELECT_1 Z:I");
	cr_assert_eq(fake_ledger.ok, 1);
	cr_assert_eq(fake_ledger.rows, 2);
	AT_REST();
}

Test(conversation, a_prepared_statement_is_counted_for_each_portal)
{
	say(talk, "P:s=used_1 S");
	answer(talk, "1 Z:I");
	for (int i = 0; i < 3; i++) {
		say(talk, "B:=s E: S");
		answer(talk, "2 C:UPDATE_1 Z:I");
	}
	cr_assert_eq(fake_ledger.ok, 3);
	cr_assert_eq(fake_ledger.rows, 3);
}

Test(conversation, a_parse_that_fails_leaves_the_name_as_it_was)
{
	say(talk, "P:s=used_first S");
	answer(talk, "1 Z:I");
	say(talk, "P:s=used_second S");
	answer(talk, "E:42P05/exists Z:I");
	say(talk, "B:=s E: S");
	answer(talk, "2 C:SELECT_1 Z:I");
	cr_assert_str_eq(fake_ledger.last, "used first");
}

Test(conversation, a_failed_parse_does_not_undo_a_later_one)
{
	say(talk, "P:=used_first S P:=used_second S B:= E: S");
	answer(talk, "E:42601/syntax Z:I 1 Z:I 2 C:SELECT_1 Z:I");
	cr_assert_str_eq(fake_ledger.last, "used second");
	AT_REST();
}

Test(conversation, a_closed_statement_is_forgotten)
{
	say(talk, "P:s=used_1 C:Ss S B:=s E: S");
	answer(talk, "1 3 Z:I E:26000/gone Z:I");
	cr_assert_eq(fake_ledger.ok + fake_ledger.error, 0);
	cr_assert_null(talk->conversation.statements.named);
}

Test(conversation, names_of_sql_and_protocol_are_the_same)
{
	say(talk, "Q:prepare_s");
	answer(talk, "C:PREPARE Z:I");
	say(talk, "B:=s E: S");
	answer(talk, "2 C:SELECT_4 Z:I");
	cr_assert_eq(fake_ledger.rows, 4);
	say(talk, "Q:execute_s");
	answer(talk, "C:SELECT_1 Z:I");
	cr_assert_eq(fake_ledger.ok, 2); /* Execute, EXECUTE */
	say(talk, "Q:deallocate_s");
	answer(talk, "C:DEALLOCATE Z:I");
	cr_assert_null(talk->conversation.statements.named);
}

Test(conversation, an_error_of_what_sql_prepared_counts_for_what_was_prepared)
{
	say(talk, "Q:prepare_s");
	answer(talk, "C:PREPARE Z:I");
	cr_assert_eq(fake_ledger.ok + fake_ledger.error, 0);
	say(talk, "Q:execute_s");
	answer(talk, "E:22012/zero Z:I");
	cr_assert_eq(fake_ledger.error, 1);
	say(talk, "B:=s E: S");
	answer(talk, "E:22P02/bad Z:I");
	cr_assert_eq(fake_ledger.error, 2);
	say(talk, "B:=s E: S");
	answer(talk, "2 E:22012/zero Z:I");
	cr_assert_eq(fake_ledger.error, 3);
	cr_assert_eq(fake_ledger.ok, 0);
	say(talk, "Q:prepare_s");
	answer(talk, "E:42P05/exists Z:I");
	cr_assert_eq(fake_ledger.error, 4);
	AT_REST();
}

Test(conversation, an_error_counts_once_wherever_it_comes)
{
	say(talk, "P:=used_1 B:= D:P E: S");
	answer(talk, "E:42601/syntax Z:I");
	cr_assert_eq(fake_ledger.error, 1);
	say(talk, "P:=used_1 B:= D:P E: S");
	answer(talk, "1 E:22P02/bad Z:I");
	cr_assert_eq(fake_ledger.error, 2);
	say(talk, "P:=used_1 B:= D:P E: S");
	answer(talk, "1 2 T D E:22012/zero Z:I");
	cr_assert_eq(fake_ledger.error, 3);
	AT_REST();
}

Test(conversation, sql_execute_runs_a_protocol_prepared_statement)
{
	say(talk, "P:s=used_1 S");
	answer(talk, "1 Z:I");
	say(talk, "Q:execute_s");
	answer(talk, "C:SELECT_9 Z:I");
	cr_assert_eq(fake_ledger.rows, 9);
}

Test(conversation, deallocate_in_a_pipeline_spares_a_later_parse)
{
	say(talk, "P:s=used_1 S");
	answer(talk, "1 Z:I");
	say(talk, "P:=deallocate B:= E: P:s=used_2 B:=s E: S");
	answer(talk, "1 2 C:DEALLOCATE 1 2 C:SELECT_1 Z:I");
	cr_assert_str_eq(fake_ledger.last, "used 2");
	say(talk, "B:=s E: S");
	answer(talk, "2 C:SELECT_1 Z:I");
	cr_assert_eq(fake_ledger.ok, 2);
}

Test(conversation, discard_all_forgets_all_statements)
{
	say(talk, "P:a=used_1 P:b=used_2 S");
	answer(talk, "1 1 Z:I");
	say(talk, "Q:discard");
	answer(talk, "C:DISCARD_ALL Z:I");
	cr_assert_null(talk->conversation.statements.named);
}

/* ---- session state ---- */

Test(conversation, a_setting_holds_once_it_succeeded)
{
	say(talk, "Q:set_a");
	answer(talk, "C:SET Z:I");
	say(talk, "Q:path");
	cr_assert_str_eq(fake_last_path, "a");
}

Test(conversation, a_setting_that_failed_does_not_hold)
{
	say(talk, "Q:set_a");
	answer(talk, "E:22023/bad Z:I");
	say(talk, "Q:path");
	cr_assert_str_eq(fake_last_path, "public");
}

Test(conversation, a_setting_is_undone_when_a_later_statement_of_its_query_fails)
{
	say(talk, "Q:set_a;boom");
	answer(talk, "C:SET E:22012/zero Z:I");
	say(talk, "Q:path");
	cr_assert_str_eq(fake_last_path, "public");
}

Test(conversation, a_setting_after_a_commit_in_the_same_query_is_undone_by_a_failure)
{
	say(talk, "Q:begin;commit;set_a;boom");
	answer(talk, "C:BEGIN C:COMMIT C:SET E:22012/zero Z:I");
	say(talk, "Q:path");
	cr_assert_str_eq(fake_last_path, "public");
}

Test(conversation, a_setting_in_the_same_segment_is_predicted)
{
	say(talk, "P:=set_a B:= E: P:=path S");
	cr_assert_str_eq(fake_last_path, "a");
	cr_assert_eq(talk->conversation.hold, HOLD_NONE);
}

Test(conversation, a_text_waits_for_settings_of_earlier_segments)
{
	cr_assert_str_eq(say(talk, "P:=set_a B:= E: S Q:path Q:select_1"), "P[set a] B E S");
	cr_assert_str_eq(answer(talk, "1 2 C:SET"), "1 2 C");
	cr_assert_str_eq(resumed(talk), "");
	answer(talk, "Z:I");
	cr_assert_str_eq(resumed(talk), "Q[path] Q[select 1]");
	cr_assert_str_eq(fake_last_path, "a");
	answer(talk, "C:SELECT_1 Z:I C:SELECT_1 Z:I");
	AT_REST();
}

Test(conversation, a_text_that_depends_on_nothing_does_not_wait)
{
	cr_assert_str_eq(say(talk, "Q:set_a Q:select_1"), "Q[set a] Q[select 1]");
}

Test(conversation, a_segment_with_effects_that_fails_settles_too)
{
	say(talk, "P:=set_a B:= E: P:=boom B:= E: S Q:path");
	answer(talk, "1 2 C:SET 1 2 E:22012/zero Z:I");
	cr_assert_str_eq(resumed(talk), "Q[path]");
	cr_assert_str_eq(fake_last_path, "public");
}

Test(conversation, a_rollback_restores_what_was_set)
{
	say(talk, "Q:begin");
	answer(talk, "C:BEGIN Z:T");
	say(talk, "Q:set_a");
	answer(talk, "C:SET Z:T");
	say(talk, "Q:rollback");
	answer(talk, "C:ROLLBACK Z:I");
	say(talk, "Q:path");
	cr_assert_str_eq(fake_last_path, "public");
}

Test(conversation, a_commit_of_a_failed_transaction_is_a_rollback)
{
	say(talk, "Q:begin");
	answer(talk, "C:BEGIN Z:T");
	say(talk, "Q:set_a");
	answer(talk, "C:SET Z:T");
	say(talk, "Q:boom");
	answer(talk, "E:22012/zero Z:E");
	say(talk, "Q:commit");
	answer(talk, "C:ROLLBACK Z:I");
	say(talk, "Q:path");
	cr_assert_str_eq(fake_last_path, "public");
}

Test(conversation, what_the_server_reports_holds)
{
	answer(talk, "S:search_path=reported");
	say(talk, "Q:path");
	cr_assert_str_eq(fake_last_path, "reported");
}

Test(conversation, a_new_application_name_is_a_new_identity)
{
	answer(talk, "S:application_name=one");
	say(talk, "Q:used_1");
	answer(talk, "C:SELECT_1 S:application_name=two Z:I");
	cr_assert_str_eq(fake_ledger.application, "one");
	say(talk, "Q:used_1");
	answer(talk, "C:SELECT_1 Z:I");
	cr_assert_str_eq(fake_ledger.application, "two");
}

Test(conversation, ddl_asks_for_new_facts_when_its_transaction_ends)
{
	say(talk, "Q:begin;ddl");
	answer(talk, "C:BEGIN C:CREATE_TABLE Z:T");
	cr_assert_eq(talk->stale, 0);
	say(talk, "Q:commit");
	answer(talk, "C:COMMIT Z:I");
	cr_assert_eq(talk->stale, 1);
}

Test(conversation, a_table_the_server_does_not_know_makes_the_facts_doubtful)
{
	say(talk, "Q:used_1");
	answer(talk, "E:42P01/gone Z:I");
	cr_assert_eq(talk->stale, 1);
	say(talk, "Q:used_1");
	answer(talk, "E:23505/twice Z:I");
	say(talk, "Q:nothing");
	answer(talk, "E:42P01/gone Z:I");
	cr_assert_eq(talk->stale, 1, "other errors, and those of texts outside of the map, say nothing");
}

Test(conversation, ddl_that_names_nothing_mapped_is_known_by_its_tag)
{
	say(talk, "Q:begin Q:unmapped Q:commit");
	answer(talk, "C:BEGIN Z:T C:DROP_SCHEMA Z:T");
	cr_assert_eq(talk->stale, 0);
	answer(talk, "C:COMMIT Z:I");
	cr_assert_eq(talk->stale, 1);
	say(talk, "P:=unmapped B:= E: S");
	answer(talk, "1 2 C:IMPORT_FOREIGN_SCHEMA Z:I");
	cr_assert_eq(talk->stale, 2);
}

Test(conversation, where_patterns_cover_tables_every_text_waits_for_the_look)
{
	talk->ruleset->has_patterns = true;
	say(talk, "Q:unmapped");
	answer(talk, "C:CREATE_TABLE Z:I");
	cr_assert_str_eq(say(talk, "Q:used_1"), "");
	cr_assert_eq(talk->conversation.hold, HOLD_FACT);
	conversation_looked(&talk->conversation, 1);
	conversation_fact_arrived(&talk->conversation);
	cr_assert_str_eq(resumed(talk), "Q[used 1]");
}

/* talk.c's ruleset is taken at once, so the empty one comes as a later one does. */
Test(conversation, an_empty_map_lets_texts_of_any_length_stream)
{
	static char text[3000];
	struct ruleset *full = talk->ruleset, *empty = rules_of(2, "unused", "");
	memset(text, 'x', sizeof(text));
	memcpy(text, "Q\0\0\x0b\xb7", 5); /* 3000 bytes in all; message_bytes is 1000 */
	empty->names_nothing = true;
	talk->ruleset = empty;
	say(talk, "Q:used_1");
	answer(talk, "T C:SELECT_1 Z:I");
	cr_assert_eq(fake_ledger.ok, 0, "nobody looks");
	conversation_from_client(&talk->conversation, text, 100,
				 &(struct round){ output_of(&talk->to_server), output_of(&talk->to_client) });
	cr_assert(conversation_client_mid_message(&talk->conversation), "its beginning is on its way");
	talk->conversation.client_pass = 0;
	answer(talk, "E:42601/x Z:I");
	talk->ruleset = full;
	say(talk, "Q:used_2");
	answer(talk, "T C:SELECT_1 Z:I");
	cr_assert_eq(fake_ledger.ok, 1, "a map with entries is looked at again");
	ruleset_unref(empty);
}

Test(conversation, temporary_tables_ask_for_no_facts)
{
	say(talk, "Q:temp_t");
	answer(talk, "C:CREATE_TABLE Z:I");
	cr_assert_eq(talk->stale, 0);
}

Test(conversation, other_tags_ask_for_no_facts)
{
	say(talk, "Q:unmapped Q:unmapped Q:unmapped Q:unmapped");
	answer(talk, "C:INSERT_0_1 Z:I C:CREATE_FUNCTION Z:I T C:SELECT_1 Z:I C:ALTER_SYSTEM Z:I");
	cr_assert_eq(talk->stale, 0);
}

Test(conversation, a_select_that_returns_no_rows_has_made_a_table)
{
	say(talk, "Q:unmapped");
	answer(talk, "C:SELECT_5 Z:I");
	cr_assert_eq(talk->stale, 1);
	say(talk, "P:=unmapped B:= E: S P:=unmapped B:= D:P E: S");
	answer(talk, "1 2 C:SELECT_5 Z:I 1 2 T C:SELECT_5 Z:I");
	cr_assert_eq(talk->stale, 1, "nothing was asked that would tell, and a query");
	say(talk, "P:=unmapped B:= D:P E: S");
	answer(talk, "1 2 n C:SELECT_5 Z:I");
	cr_assert_eq(talk->stale, 2);
}

Test(conversation, after_own_ddl_a_text_waits_until_the_catalog_was_looked_at)
{
	say(talk, "Q:ddl");
	answer(talk, "C:CREATE_TABLE Z:I");
	cr_assert_eq(talk->stale, 1);
	cr_assert_str_eq(say(talk, "Q:used_1"), "Q[used 1]", "what depends on no name goes on");
	answer(talk, "T C:SELECT_1 Z:I");
	cr_assert_str_eq(say(talk, "Q:path"), "");
	cr_assert_eq(talk->conversation.hold, HOLD_FACT);
	conversation_looked(&talk->conversation, 0);
	cr_assert_eq(talk->conversation.fact_ticket, 1, "an earlier look does not tell");
	conversation_looked(&talk->conversation, 1);
	conversation_fact_arrived(&talk->conversation);
	cr_assert_str_eq(resumed(talk), "Q[path]");
}

/* ---- rules ---- */

Test(conversation, texts_behind_requests_without_a_text_are_rewritten)
{
	cr_assert_str_eq(say(talk, "C:Sx S P:=old_x B:= E: S"), "C S P[new x] B E S");
}

Test(conversation, a_client_that_never_waits_gets_new_rules_at_its_next_transaction)
{
	struct ruleset *before = talk->ruleset;
	say(talk, "Q:used_1");
	talk->ruleset = rules_of(2, "unused", "");
	say(talk, "Q:used_2");
	cr_assert_eq(talk->conversation.ruleset, talk->ruleset);
	ruleset_unref(before);
}

/* ---- limits ---- */

Test(conversation, a_full_pipeline_holds_the_client)
{
	for (uint32_t i = 0; i < talk->env.pipeline; i++)
		say(talk, "B:=");
	cr_assert_str_eq(say(talk, "E: S"), "");
	cr_assert_eq(talk->conversation.hold, HOLD_ROOM);
	answer(talk, "2 2");
	cr_assert_str_eq(resumed(talk), "E S");
}

Test(conversation, a_text_over_the_limit_fails_and_the_rest_of_it_is_dropped)
{
	char word[1600];
	struct buf bytes = { 0 };
	memset(word, 'x', sizeof(word));
	memcpy(word, "Q:", 2);
	word[sizeof(word) - 1] = 0;
	client_message_build(&bytes, word);
	client_message_build(&bytes, "Q:select 1");
	talk->chunk = 100;
	cr_assert_str_eq(say_bytes(talk, bytes.data, bytes.len),
			 "Q[SELECT crossfade_refused_statement] Q[select 1]");
	const char *error = answer_mark("I");
	cr_assert(mentions(error, "C54000"));
	answer(talk, "C:SELECT_1 Z:I");
	buf_deinit(&bytes);
	AT_REST();
}

Test(conversation, lengths_that_cannot_be_are_violations)
{
	say_bytes(talk, "Q\0\0\0\3", 5);
	cr_assert_eq(talk->conversation.violation, VIOLATION_CLIENT);
	talk->conversation.violation = VIOLATION_NONE;
	buf_clear(&talk->rest);
	say_bytes(talk, "S\0\1\0\0", 5);
	cr_assert_eq(talk->conversation.violation, VIOLATION_CLIENT);
}

Test(conversation, unknown_messages_are_left_to_the_server)
{
	cr_assert_str_eq(say(talk, "!:x"), "!");
	cr_assert_str_eq(answer(talk, "E:08P01/what"), "E:08P01");
}

Test(conversation, answers_that_nobody_asked_for_pass)
{
	cr_assert_str_eq(answer(talk, "1 2 3 n T C:X I s V E:XX000/x Z:I G c"), "1 2 3 n T C I s V E:XX000 Z G c");
	AT_REST();
}
