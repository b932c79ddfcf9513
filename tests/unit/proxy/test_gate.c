/* The gate, and how a conversation waits at it. */
#include "rules.h"
#include "talk.h"

#include "base/memory.h"
#include "proxy/gate.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

static struct talk *talk;
static struct gate *gate;
static struct gate_view view;

static void begin(void)
{
	talk = talk_begin("public");
	struct ruleset *nothing = talk->ruleset;
	talk->ruleset = rules_of(1, "t u", "");
	ruleset_unref(nothing);
	conversation_adopt_ruleset(&talk->conversation);
	gate = gate_new(1, 3, 1000);
	view = (struct gate_view){ .gate = gate };
	talk->env.gate = &view;
	talk->conversation.who.database = "db";
}

static void end(void)
{
	talk_end(talk);
	gate_view_deinit(&view);
	gate_free(gate);
}

TestSuite(gate, .init = begin, .fini = end);

/* Every statement of the fake rewriter that is `used` uses public.t. */
static uint64_t close_gate_of(const char *database, const char *table, uint32_t ttl_ms)
{
	struct error error;
	const char *tables[] = { table };
	struct proxy_pause wanted = { database, tables, table != NULL, "a test", ttl_ms };
	struct pause *pause = gate_pause(gate, &wanted, &error);
	cr_assert_not_null(pause);
	uint64_t id = pause_id(pause);
	cr_assert(gate_view_add(&view, pause));
	return id;
}

static uint64_t close_gate(void)
{
	return close_gate_of(NULL, "public.t", 60000);
}

static void open_gate(uint64_t id)
{
	struct pause *pause = gate_resume(gate, id);
	cr_assert_not_null(pause);
	cr_assert_eq(gate_view_remove(&view, pause), pause);
	gate_view_opened(&view, pause);
	pause_unref(pause);
	conversation_unpause(&talk->conversation);
}

static struct proxy_pause_info look(uint64_t id)
{
	struct proxy_pause_info info = { 0 };
	cr_assert(gate_look(gate, id, &info));
	return info;
}

Test(gate, a_first_touch_waits_and_goes_on_when_the_pause_ends)
{
	uint64_t id = close_gate();
	cr_assert_str_eq(say(talk, "Q:used"), "");
	cr_assert_eq(look(id).parked, 1);
	cr_assert_str_eq(resumed(talk), "");
	open_gate(id);
	cr_assert_str_eq(resumed(talk), "Q[used]");
	cr_assert_eq(look(id).parked, 0);
	cr_assert_eq(look(id).parked_total, 1);
	cr_assert_eq(look(id).stage, PAUSE_OPEN);
}

Test(gate, what_touches_nothing_goes_on)
{
	uint64_t id = close_gate();
	cr_assert_str_eq(say(talk, "Q:select"), "Q[select]");
	answer(talk, "C:SELECT_1 Z:I");
	open_gate(id);
}

Test(gate, other_tables_and_other_databases_go_on)
{
	uint64_t ids[] = { close_gate_of(NULL, "public.u", 60000), close_gate_of("other", NULL, 60000) };
	cr_assert_str_eq(say(talk, "Q:used"), "Q[used]");
	answer(talk, "C:SELECT_1 Z:I");
	open_gate(ids[0]);
	open_gate(ids[1]);
}

Test(gate, a_pause_of_everything_holds_every_entry)
{
	uint64_t id = close_gate_of("db", NULL, 60000);
	cr_assert_str_eq(say(talk, "Q:used"), "");
	open_gate(id);
	cr_assert_str_eq(resumed(talk), "Q[used]");
}

Test(gate, a_transaction_that_has_touched_the_table_goes_on_to_its_end)
{
	say(talk, "Q:begin Q:used");
	answer(talk, "C:BEGIN Z:T C:SELECT_1 Z:T");
	uint64_t id = close_gate();
	cr_assert_str_eq(say(talk, "Q:used"), "Q[used]");
	answer(talk, "C:SELECT_1 Z:T");
	cr_assert_str_eq(say(talk, "Q:commit"), "Q[commit]");
	answer(talk, "C:COMMIT Z:I");
	cr_assert_str_eq(say(talk, "Q:used"), "");
	open_gate(id);
	cr_assert_str_eq(resumed(talk), "Q[used]");
}

Test(gate, a_transaction_that_has_not_touched_it_waits_and_may_commit)
{
	say(talk, "Q:begin Q:select");
	answer(talk, "C:BEGIN Z:T C:SELECT_1 Z:T");
	uint64_t id = close_gate();
	cr_assert_str_eq(say(talk, "Q:rollback"), "Q[rollback]");
	answer(talk, "C:ROLLBACK Z:I");
	say(talk, "Q:begin");
	answer(talk, "C:BEGIN Z:T");
	cr_assert_str_eq(say(talk, "Q:used"), "");
	open_gate(id);
	cr_assert_str_eq(resumed(talk), "Q[used]");
}

/* Whether the transaction goes on, only the answers tell. */
Test(gate, while_the_answer_to_begin_is_under_way_a_statement_waits_for_it)
{
	say(talk, "Q:begin Q:used");
	uint64_t id = close_gate();
	cr_assert_str_eq(say(talk, "Q:used"), "");
	answer(talk, "C:BEGIN Z:T");
	cr_assert_str_eq(resumed(talk), "Q[used]");
	cr_assert_eq(look(id).parked, 0);
	answer(talk, "C:SELECT_1 Z:T C:SELECT_1 Z:T");
	say(talk, "Q:commit Q:used");
	answer(talk, "C:COMMIT Z:I");
	cr_assert_str_eq(resumed(talk), "");
	open_gate(id);
	cr_assert_str_eq(resumed(talk), "Q[used]");
}

Test(gate, until_a_sync_a_batch_is_one_transaction)
{
	say(talk, "P:s=used B:=s E: H");
	answer(talk, "1 2 C:SELECT_1");
	uint64_t id = close_gate();
	cr_assert_str_eq(say(talk, "B:=s E: S"), "B E S");
	answer(talk, "2 C:SELECT_1 Z:I");
	cr_assert_str_eq(say(talk, "B:=s E: S"), "");
	open_gate(id);
	cr_assert_str_eq(resumed(talk), "B E S");
}

Test(gate, a_batch_that_is_held_up_in_its_middle_gets_the_answers_so_far)
{
	uint64_t id = close_gate();
	cr_assert_str_eq(say(talk, "P:=select B:= E: P:=used B:= E: S"), "P[select] B E H");
	cr_assert_str_eq(answer(talk, "1 2 C:SELECT_1"), "1 2 C");
	open_gate(id);
	cr_assert_str_eq(resumed(talk), "P[used] B E S");
}

Test(gate, an_aborted_transaction_never_waits)
{
	say(talk, "Q:begin");
	answer(talk, "C:BEGIN Z:T");
	say(talk, "Q:boom");
	answer(talk, "E:22012/zero Z:E");
	uint64_t id = close_gate();
	cr_assert_str_eq(say(talk, "Q:used"), "Q[used]");
	cr_assert_str_eq(answer(talk, "E:25P02/aborted Z:E"), "E:25P02 Z");
	open_gate(id);
}

Test(gate, a_batch_that_failed_before_it_comes_to_the_table_goes_on_to_its_sync)
{
	uint64_t id = close_gate();
	say(talk, "P:=boom B:= E: P:=used B:= E: S");
	cr_assert_str_eq(answer(talk, "1 2 E:22012/zero"), "1 2 E:22012");
	cr_assert_str_eq(resumed(talk), "P[used] B E S");
	cr_assert_str_eq(answer(talk, "Z:I"), "Z");
	cr_assert(conversation_idle(&talk->conversation));
	open_gate(id);
}

Test(gate, sql_prepared_statements_wait_at_their_execution)
{
	say(talk, "Q:prepare_p");
	answer(talk, "C:PREPARE Z:I");
	uint64_t id = close_gate();
	cr_assert_str_eq(say(talk, "Q:execute_p"), "");
	open_gate(id);
	cr_assert_str_eq(resumed(talk), "Q[execute p]");
	answer(talk, "C:SELECT_1 Z:I");
	id = close_gate();
	cr_assert_str_eq(say(talk, "B:=p E: S"), "");
	open_gate(id);
	cr_assert_str_eq(resumed(talk), "B E S");
}

Test(gate, a_cancelled_query_fails_without_having_run)
{
	uint64_t id = close_gate();
	say(talk, "Q:used");
	cr_assert(parking_cancel(&talk->conversation));
	cr_assert_str_eq(resumed(talk), "Q[SELECT crossfade_refused_statement]");
	cr_assert_str_eq(answer_stand_in(talk), "57014");
	answer(talk, "Z:I");
	cr_assert_eq(look(id).parked, 0);
	cr_assert_str_eq(say(talk, "Q:used"), "", "only the statement at hand was cancelled");
	open_gate(id);
	cr_assert_str_eq(resumed(talk), "Q[used]");
}

Test(gate, a_cancelled_bind_fails_its_batch)
{
	say(talk, "P:s=used S");
	answer(talk, "1 Z:I");
	uint64_t id = close_gate();
	say(talk, "B:=s E: S");
	cr_assert(parking_cancel(&talk->conversation));
	cr_assert_str_eq(resumed(talk), "P[SELECT crossfade_refused_statement] E S");
	cr_assert_str_eq(answer_stand_in(talk), "57014");
	answer(talk, "Z:I");
	cr_assert(conversation_idle(&talk->conversation));
	open_gate(id);
	cr_assert_str_eq(say(talk, "B:=s E: S"), "B E S");
}

Test(gate, a_cancel_while_the_server_works_is_not_for_us)
{
	say(talk, "Q:select");
	uint64_t id = close_gate();
	say(talk, "Q:used");
	cr_assert_not(parking_cancel(&talk->conversation));
	answer(talk, "C:SELECT_1 Z:I");
	cr_assert_str_eq(resumed(talk), "");
	cr_assert(parking_cancel(&talk->conversation));
	open_gate(id);
}

Test(gate, who_is_let_through_waits_no_more_until_its_transaction_ends)
{
	say(talk, "Q:begin");
	answer(talk, "C:BEGIN Z:T");
	uint64_t id = close_gate();
	say(talk, "Q:used");
	talk->conversation.parking.let_through = true;
	conversation_unpause(&talk->conversation);
	cr_assert_str_eq(resumed(talk), "Q[used]");
	answer(talk, "C:SELECT_1 Z:T");
	say(talk, "Q:commit");
	answer(talk, "C:COMMIT Z:I");
	cr_assert_str_eq(say(talk, "Q:used"), "");
	open_gate(id);
}

Test(gate, who_has_something_under_way_is_counted_until_the_answer)
{
	say(talk, "Q:used");
	uint64_t id = close_gate();
	cr_assert(parking_in_flight(&talk->conversation, view.pauses[0]));
	answer(talk, "C:SELECT_1 Z:I");
	cr_assert_not(parking_in_flight(&talk->conversation, view.pauses[0]));
	open_gate(id);
}

/* Answers of one transaction must not make the next one, which is under way, look untouched. */
Test(gate, of_several_transactions_under_way_each_counts)
{
	uint64_t id = close_gate_of(NULL, "public.u", 60000);
	say(talk, "Q:select Q:used");
	uint64_t used = close_gate();
	answer(talk, "C:SELECT_1 Z:I");
	cr_assert(parking_in_flight(&talk->conversation, view.pauses[1]));
	answer(talk, "C:SELECT_1 Z:I");
	cr_assert_not(parking_in_flight(&talk->conversation, view.pauses[1]));
	open_gate(id);
	open_gate(used);
}

/* ---- pauses ---- */

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

Test(gate, a_pause_that_nobody_renews_ends_by_itself)
{
	uint64_t id = close_gate_of(NULL, "public.t", 1);
	say(talk, "Q:used");
	sleep_ms(5);
	gate_view_opened(&view, gate_view_expired(&view));
	cr_assert_null(gate_view_expired(&view));
	cr_assert_eq(look(id).end, PAUSE_EXPIRED);
	cr_assert_not(gate_renew(gate, id, 1000));
	cr_assert_null(gate_resume(gate, id));
	conversation_unpause(&talk->conversation);
	cr_assert_str_eq(resumed(talk), "Q[used]");
}

Test(gate, a_renewed_pause_goes_on)
{
	uint64_t id = close_gate_of(NULL, "public.t", 1);
	cr_assert(gate_renew(gate, id, 60000));
	sleep_ms(5);
	cr_assert_null(gate_view_expired(&view));
	open_gate(id);
}

Test(gate, too_many_bytes_that_wait_end_the_pause)
{
	uint64_t id = close_gate();
	char text[900];
	snprintf(text, sizeof(text), "Q:used_%0*d", 800, 1);
	say(talk, text);
	cr_assert_eq(look(id).stage, PAUSE_PAUSED);
	struct pause *pause = gate_find(gate, id);
	pause_park(gate, pause, 500);
	cr_assert_eq(look(id).end, PAUSE_LIMIT);
	pause_unpark(gate, pause, 500, 0);
	pause_unref(pause);
	gate_view_opened(&view, gate_view_expired(&view));
	cr_assert_null(gate_view_expired(&view));
	conversation_unpause(&talk->conversation);
	cr_assert_str_neq(resumed(talk), "");
}

Test(gate, stages_follow_the_workers)
{
	struct error error;
	struct gate *two = gate_new(2, 100, 1000);
	struct gate_view views[2] = { { .gate = two }, { .gate = two } };
	struct pause *pause = gate_pause(two, &(struct proxy_pause){ .ttl_ms = 60000 }, &error);
	uint64_t id = pause_id(pause);
	struct proxy_pause_info info;
	gate_view_add(&views[0], pause_ref(pause));
	cr_assert_not(gate_await(two, id, PAUSE_PAUSING, 0));
	gate_view_add(&views[1], pause);
	cr_assert(gate_await(two, id, PAUSE_PAUSING, 0));
	cr_assert(gate_drained(two, id));
	cr_assert(gate_look(two, id, &info) && info.stage == PAUSE_DRAINED);
	cr_assert_eq(gate_list(two, &info, 1), 1);
	pause_unref(gate_resume(two, id));
	cr_assert_eq(gate_list(two, &info, 1), 0);
	cr_assert(gate_look(two, id, &info) && info.stage == PAUSE_OPENING);
	gate_view_deinit(&views[0]);
	gate_view_deinit(&views[1]);
	cr_assert(gate_await(two, id, PAUSE_OPENING, 0));
	gate_free(two);
}

Test(gate, the_census_adds_up_what_the_workers_say)
{
	struct gate *two = gate_new(2, 100, 1000);
	struct gate_census *census = gate_census_new(two);
	struct proxy_census sum = { 0 };
	uint32_t pids[] = { 7, 8 };
	gate_census_answer(census, 1, pids, 2);
	cr_assert_not(gate_census_await(census, 0, &sum));
	gate_census_answer(census, 2, pids, 1);
	cr_assert(gate_census_await(census, 0, &sum));
	cr_assert_eq(sum.in_flight, 3);
	cr_assert_eq(sum.parked_count, 3);
	cr_assert_eq(sum.parked[1], 8);
	free(sum.parked);
	gate_census_unref(census);
	gate_free(two);
}

Test(gate, the_number_of_pauses_has_a_limit)
{
	struct error error;
	struct proxy_pause wanted = { .ttl_ms = 60000 };
	for (int i = 0; i < GATE_PAUSES_MAX; i++)
		pause_unref(gate_pause(gate, &wanted, &error));
	cr_assert_null(gate_pause(gate, &wanted, &error));
	cr_assert_str_eq(error.sqlstate, "54000");
}
