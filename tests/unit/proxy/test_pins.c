/* Rules that change while a transaction is open: what it has touched stays in its place. */
#include "proxy/gate.h"
#include "talk.h"

#include <criterion/criterion.h>

static struct talk *talk;

static void begin(void)
{
	talk = talk_begin("public");
	talk_publish(talk, "a b g1 g2", "");
}

static struct gate *gate;
static struct gate_view view;

static void end(void)
{
	talk_end(talk);
	gate_view_deinit(&view);
	gate_free(gate);
}

TestSuite(pins, .init = begin, .fini = end);

static void open_transaction(void)
{
	say(talk, "Q:begin");
	answer(talk, "C:BEGIN Z:T");
}

static const char *query(const char *text)
{
	static char sent[128];
	snprintf(sent, sizeof(sent), "%s", say(talk, text));
	answer(talk, "T C:SELECT_1 Z:T");
	return sent;
}

Test(pins, between_transactions_all_rules_are_taken)
{
	query("Q:from_a");
	answer(talk, "Z:I");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(query("Q:from_a"), "Q[from data.a]");
}

Test(pins, what_a_transaction_has_touched_stays_and_the_rest_follows)
{
	open_transaction();
	cr_assert_str_eq(query("Q:from_a"), "Q[from a]");
	talk_publish(talk, "a b", "a b");
	cr_assert_str_eq(query("Q:from_a"), "Q[from a]");
	cr_assert_str_eq(query("Q:from_a_b"), "Q[from a data.b]");
	say(talk, "Q:commit");
	answer(talk, "C:COMMIT Z:I");
	cr_assert_str_eq(query("Q:from_a_b"), "Q[from data.a data.b]");
}

Test(pins, places_are_kept_from_several_rulesets)
{
	open_transaction();
	query("Q:from_a");
	talk_publish(talk, "a b", "a");
	query("Q:from_b");
	talk_publish(talk, "b a c", "a b c");
	cr_assert_str_eq(query("Q:from_a_b_c"), "Q[from a b data.c]");
	talk_publish(talk, "b a c", "b c");
	cr_assert_str_eq(query("Q:from_a_b_c"), "Q[from a b data.c]");
	talk_publish(talk, "b a c", "a");
	cr_assert_str_eq(query("Q:from_a_b_c"), "Q[from a b data.c]");
}

Test(pins, an_entry_that_leaves_the_map_keeps_the_rules_of_its_transaction)
{
	open_transaction();
	query("Q:from_a");
	talk_publish(talk, "b", "b");
	cr_assert_str_eq(query("Q:from_a_b"), "Q[from a b]");
}

Test(pins, a_group_stays_together)
{
	open_transaction();
	query("Q:from_g1");
	talk_publish(talk, "a g1 g2", "a g1 g2");
	cr_assert_str_eq(query("Q:from_g2_a"), "Q[from g2 data.a]");
}

Test(pins, an_extended_batch_is_one_transaction)
{
	say(talk, "P:=from_a H");
	talk_publish(talk, "a b", "a b");
	cr_assert_str_eq(say(talk, "P:=from_a_b S"), "P[from a data.b] S");
	answer(talk, "1 1 Z:I");
	cr_assert_str_eq(say(talk, "P:=from_a S"), "P[from data.a] S");
}

Test(pins, segments_under_way_keep_nothing_for_the_next)
{
	say(talk, "P:=from_a B:= E: S");
	talk_publish(talk, "a b", "a");
	cr_assert_str_eq(say(talk, "P:=from_a B:= E: S"), "P[from data.a] B E S");
}

Test(pins, a_savepoint_gives_back_what_was_touched_since)
{
	open_transaction();
	query("Q:from_a");
	say(talk, "Q:savepoint_s");
	answer(talk, "C:SAVEPOINT Z:T");
	query("Q:from_b");
	talk_publish(talk, "a b", "a b");
	cr_assert_str_eq(query("Q:from_a_b"), "Q[from a b]");
	say(talk, "Q:unwind_s");
	answer(talk, "C:ROLLBACK Z:T");
	cr_assert_str_eq(query("Q:from_a_b"), "Q[from a data.b]");
}

Test(pins, a_released_savepoint_gives_nothing_back)
{
	open_transaction();
	say(talk, "Q:savepoint_s");
	answer(talk, "C:SAVEPOINT Z:T");
	say(talk, "Q:savepoint_t");
	answer(talk, "C:SAVEPOINT Z:T");
	query("Q:from_a");
	say(talk, "Q:release_t");
	answer(talk, "C:RELEASE Z:T");
	say(talk, "Q:unwind_t");
	answer(talk, "E:3B001/no_such Z:E");
	cr_assert_eq(talk->conversation.pins.count, 1);
	cr_assert_eq(talk->conversation.pins.depth, 1);
}

Test(pins, a_chained_transaction_begins_anew)
{
	open_transaction();
	query("Q:from_a");
	talk_publish(talk, "a b", "a");
	say(talk, "Q:commit;begin;from_b");
	answer(talk, "C:COMMIT C:BEGIN C:SELECT_1 Z:T");
	cr_assert_eq(talk->conversation.pins.count, 1, "b, which the new one touched");
	cr_assert_str_eq(query("Q:from_a"), "Q[from data.a]");
}

Test(pins, a_failed_transaction_ends_with_its_rollback)
{
	open_transaction();
	query("Q:from_a");
	say(talk, "Q:boom");
	answer(talk, "E:22012/zero Z:E");
	cr_assert_eq(talk->conversation.pins.count, 1);
	say(talk, "Q:rollback");
	answer(talk, "C:ROLLBACK Z:I");
	cr_assert_eq(talk->conversation.pins.count, 0);
}

/* ---- pauses ---- */

/* NULL: nothing is paused any more. */
static void pause_table(const char *key)
{
	struct error error;
	if (!gate)
		gate = gate_new(1, 10, 100000);
	gate_view_deinit(&view);
	view.gate = gate;
	talk->env.gate = &view;
	if (key)
		gate_view_add(&view, gate_pause(gate, &(struct proxy_pause){ NULL, &key, 1, "", 60000 }, &error));
}

Test(pins, a_first_touch_of_a_paused_table_waits_and_is_rewritten_afterwards)
{
	pause_table("public.a");
	cr_assert_str_eq(say(talk, "Q:from_a"), "");
	cr_assert_eq(talk->conversation.hold, HOLD_PAUSE);
	cr_assert_str_eq(resumed(talk), "");
	talk_publish(talk, "a b", "a");
	pause_table(NULL);
	conversation_unpause(&talk->conversation);
	cr_assert_str_eq(resumed(talk), "Q[from data.a]");
}

Test(pins, who_has_touched_the_table_and_who_ends_never_waits)
{
	open_transaction();
	query("Q:from_a");
	pause_table("public.a");
	cr_assert_str_eq(say(talk, "Q:from_a Q:commit"), "Q[from a] Q[commit]");
	answer(talk, "C:SELECT_1 Z:T C:COMMIT Z:I");
	cr_assert_str_eq(say(talk, "Q:from_b Q:from_b_a"), "Q[from b]");
}

Test(pins, a_batch_that_has_parsed_holds_the_table)
{
	say(talk, "P:s=from_a H");
	pause_table("public.a");
	cr_assert_str_eq(say(talk, "B:=s E: S"), "B E S");
	cr_assert_str_eq(say(talk, "B:=s E: S"), "", "the next one is another transaction");
}

Test(pins, bind_describe_and_execute_in_sql_wait_like_a_text)
{
	say(talk, "P:s=from_a S Q:prepare_s");
	answer(talk, "1 Z:I E:42P05/twice Z:I");
	pause_table("public.a");
	cr_assert_str_eq(say(talk, "D:Ss S"), "");
	buf_clear(&talk->rest);
	conversation_unpause(&talk->conversation);
	cr_assert_str_eq(say(talk, "Q:execute_s"), "");
	conversation_unpause(&talk->conversation);
	pause_table(NULL);
	cr_assert_str_eq(resumed(talk), "Q[execute s]");
}
