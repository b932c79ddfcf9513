/*
 * Prepared statements follow flips, search_path and temporary tables
 * (rewriting.md §6): before one is bound, described or executed again, it is
 * compared with what the rules now in force make of its text, and prepared
 * anew where that differs. Between the client's messages, under its name, so
 * that nothing of it is seen:
 *
 *   EXCHANGE_TYPES   the types that the server gave to parameters, where nobody knows them
 *   EXCHANGE_TRIAL   the new version under a name of ours: its columns must be those the
 *                    client was told of
 *   EXCHANGE_SWITCH  once more under a name of ours, and then in place of the old one: when
 *                    the first fails the server skips the rest, and nothing is lost
 *
 * In the client's segment the exchanges end with a Flush, and an error is the
 * answer to the client's message. In front of a Query they end with a Sync,
 * and after an error the Query is not sent.
 */
#include "proxy/from_client.h"

#include "base/memory.h"
#include "wire/reader.h"

#include <stdlib.h>

enum { OID_TEXT = 25, FORGETS = 1 /* request.statement: the Close of the client's statement */ };

static const struct rewrite *sent_of(const struct name *statement)
{
	return statement->prepared->in_sql ? statement->prepared->sent : statement->rewrite;
}

static const struct session_state *state_now(struct conversation *conversation)
{
	return session_vars_now(&conversation->vars, &conversation->pipeline);
}

/* The usual case, which must cost next to nothing. */
static bool is_current(struct conversation *conversation, const struct name *statement)
{
	const struct prepared *prepared = statement->prepared;
	const struct rewrite *sent = sent_of(statement);
	if (prepared->view != conversation->view || prepared->lost)
		return false;
	return !sent || !sent->depends_on_state ||
	       prepared->stamp == session_state_stamp(state_now(conversation));
}

/* Both make the server do the same. */
static bool same_text(const struct rewrite *a, const struct rewrite *b)
{
	struct slice none = { 0 }, left = a ? a->sql : none, right = b ? b->sql : none;
	return left.len == right.len && !left.data == !right.data &&
	       (!left.len || memcmp(left.data, right.data, left.len) == 0);
}

/* The server's version is what `rewrite`, which is taken over, says. */
static void take(struct name *statement, struct rewrite *rewrite, uint64_t view, uint64_t stamp)
{
	struct prepared *prepared = statement->prepared;
	prepared->view = view;
	prepared->stamp = stamp;
	prepared->lost = false;
	if (!prepared->in_sql) {
		rewrite_unref(name_exchange(statement, client_text_worth_keeping(rewrite)));
		return;
	}
	rewrite_unref(prepared->sent);
	prepared->sent = rewrite;
	name_set_shape(statement, rewrite->statement_count ? rewrite->statements[0].shape : NULL);
}

/* ---- failing ---- */

static struct client_text text_in_place(const struct client_text *in_place)
{
	return in_place ? *in_place : (struct client_text){ .name = slice_str(HIDDEN_NAME) };
}

static enum verdict fail(struct conversation *conversation, const struct client_text *in_place, uint16_t flag,
			 struct round *round)
{
	struct client_text text = text_in_place(in_place);
	return client_text_fail(conversation, &text, flag, round);
}

/* Without its text, only what it used tells whether it is still right. */
static bool still_right(struct conversation *conversation, const struct name *statement)
{
	const struct rewrite *sent = sent_of(statement);
	const struct statement_shape *shape =
		sent && sent->statement_count ? sent->statements[0].shape : statement->shape;
	if (sent && sent->depends_on_state &&
	    statement->prepared->stamp != session_state_stamp(state_now(conversation)))
		return false;
	for (size_t i = 0; shape && i < shape->use_count; i++) {
		const struct use *use = &shape->uses[i];
		const struct ruleset_entry *entry = ruleset_entry_by_key(conversation->ruleset, use->table);
		bool rewritten = use->flags & USE_REWRITTEN;
		if (!entry || rewritten != (entry->physical != (enum side)use->side))
			return false;
	}
	return true;
}

static enum verdict use_unkept(struct conversation *conversation, struct name *statement,
			       const struct client_text *in_place, struct round *round)
{
	if (!still_right(conversation, statement))
		return fail(conversation, in_place, REQUEST_NOT_KEPT, round);
	statement->prepared->view = conversation->view;
	return VERDICT_PASS;
}

/* ---- exchanges ---- */

static enum verdict begin_exchange(struct conversation *conversation, enum exchange exchange)
{
	conversation->exchange = exchange;
	traffic_add(&conversation->env->traffic->hidden_exchanges, 1);
	return from_client_hold(conversation, HOLD_HIDDEN);
}

static void end_messages(struct conversation *conversation, struct buf *out)
{
	if (conversation->reprepare.for_query) {
		sync_append(out);
		hidden_push(conversation, REQUEST_SYNC);
	} else {
		flush_append(out);
		conversation->in_segment = true;
	}
}

/* A Parse of the new version; the server locks what it uses. */
static void send_parse(struct conversation *conversation, struct buf *out, struct slice name, struct slice types)
{
	struct rewrite *rewrite = conversation->reprepare.rewrite;
	struct slice text = rewrite->sql.data ? rewrite->sql : prepared_text(conversation->reprepare.name->prepared);
	parse_append(out, name, text, types);
	hidden_push(conversation, REQUEST_PARSE)->rewrite = rewrite_ref(rewrite);
	conversation_touch(conversation, rewrite);
}

static void send_close(struct conversation *conversation, struct buf *out, uint8_t kind, struct slice name)
{
	object_append(out, CLIENT_CLOSE, kind, name);
	hidden_push(conversation, kind == 'S' ? REQUEST_CLOSE_STATEMENT : REQUEST_CLOSE_PORTAL);
}

/* rewrite: what an error of the run is about; NULL: nothing of the client's. */
static void send_run(struct conversation *conversation, struct buf *out, struct rewrite *rewrite)
{
	execute_append(out, HIDDEN_NAME, 0);
	hidden_push(conversation, REQUEST_EXECUTE)->rewrite = rewrite ? rewrite_ref(rewrite) : NULL;
	send_close(conversation, out, 'P', slice_str(HIDDEN_NAME));
	send_close(conversation, out, 'S', slice_str(HIDDEN_NAME));
}

static struct slice statement_name(const struct conversation *conversation)
{
	return slice_str(conversation->reprepare.name->text);
}

static enum verdict ask_types(struct conversation *conversation, struct round *round)
{
	static const char question[] =
		"SELECT pg_catalog.array_to_string(parameter_types::pg_catalog.oid[], ' ')"
		" FROM pg_catalog.pg_prepared_statements WHERE name OPERATOR(pg_catalog.=) $1";
	static const char types[] = { 0, 1, 0, 0, 0, OID_TEXT };
	struct buf *out = output_own(&round->to_server);
	parse_append(out, slice_str(HIDDEN_NAME), slice_str(question), slice_of(types, sizeof(types)));
	hidden_push(conversation, REQUEST_PARSE);
	bind_text_append(out, HIDDEN_NAME, HIDDEN_NAME, statement_name(conversation));
	hidden_push(conversation, REQUEST_BIND);
	send_run(conversation, out, NULL);
	end_messages(conversation, out);
	return begin_exchange(conversation, EXCHANGE_TYPES);
}

static enum verdict try_columns(struct conversation *conversation, struct round *round)
{
	struct buf *out = output_own(&round->to_server);
	struct slice ours = slice_str(HIDDEN_NAME);
	send_parse(conversation, out, ours, conversation->reprepare.name->prepared->types);
	object_append(out, CLIENT_DESCRIBE, 'S', ours);
	hidden_push(conversation, REQUEST_DESCRIBE);
	send_close(conversation, out, 'S', ours);
	end_messages(conversation, out);
	return begin_exchange(conversation, EXCHANGE_TRIAL);
}

static void send_forget(struct conversation *conversation, struct buf *out)
{
	struct slice name = statement_name(conversation);
	if (!name.len)
		return; /* the next Parse takes its place */
	send_close(conversation, out, 'S', name);
	pipeline_at(&conversation->pipeline, conversation->pipeline.count - 1)->statement = FORGETS;
}

static enum verdict switch_over(struct conversation *conversation, struct round *round)
{
	struct buf *out = output_own(&round->to_server);
	const struct prepared *prepared = conversation->reprepare.name->prepared;
	struct slice ours = slice_str(HIDDEN_NAME);
	if (prepared->in_sql) {
		send_forget(conversation, out);
		send_parse(conversation, out, ours, (struct slice){ 0 });
		bind_append(out, HIDDEN_NAME, HIDDEN_NAME);
		hidden_push(conversation, REQUEST_BIND);
		send_run(conversation, out, conversation->reprepare.rewrite);
	} else {
		send_parse(conversation, out, ours, prepared->types);
		send_close(conversation, out, 'S', ours);
		send_forget(conversation, out);
		send_parse(conversation, out, statement_name(conversation), prepared->types);
	}
	end_messages(conversation, out);
	return begin_exchange(conversation, EXCHANGE_SWITCH);
}

/* ---- deciding ---- */

static void begin_reprepare(struct conversation *conversation, struct name *statement, struct rewrite *rewrite,
			    bool for_query)
{
	reprepare_deinit(conversation);
	statement->pending++;
	conversation->reprepare = (struct reprepare){ .name = statement, .rewrite = rewrite,
						      .view = conversation->view,
						      .stamp = session_state_stamp(state_now(conversation)),
						      .for_query = for_query };
}

static bool was_tried(const struct conversation *conversation, const struct prepared *prepared)
{
	return prepared->tried_view == conversation->reprepare.view &&
	       prepared->tried_stamp == conversation->reprepare.stamp;
}

/* Takes over rewrite. Called again after each exchange, for the message that waits comes again. */
static enum verdict change(struct conversation *conversation, struct name *statement, struct rewrite *rewrite,
			   const struct client_text *in_place, struct round *round)
{
	struct prepared *prepared = statement->prepared;
	begin_reprepare(conversation, statement, rewrite, in_place && in_place->is_query);
	if (*statement->text && prepared_wants_types(prepared) && !prepared->lost)
		return ask_types(conversation, round);
	bool has_columns = prepared->described && !prepared->in_sql;
	if (has_columns && !was_tried(conversation, prepared))
		return try_columns(conversation, round);
	if (has_columns && !prepared->tried_good) {
		reprepare_deinit(conversation);
		return fail(conversation, in_place, REQUEST_OTHER_COLUMNS, round);
	}
	return switch_over(conversation, round);
}

/* Takes over rewrite: what the text should be now. */
static enum verdict compare(struct conversation *conversation, struct name *statement, struct rewrite *rewrite,
			    const struct client_text *in_place, struct round *round)
{
	struct client_text text = text_in_place(in_place);
	if (rewrite->outcome == REWRITE_REFUSED)
		return client_text_replace(conversation, &text, rewrite, round);
	if (same_text(sent_of(statement), rewrite) && !statement->prepared->lost) {
		take(statement, rewrite, conversation->view, session_state_stamp(state_now(conversation)));
		return VERDICT_PASS;
	}
	if (conversation_paused(conversation, rewrite)) {
		rewrite_unref(rewrite);
		return from_client_wait_at_gate(conversation, prepared_text(statement->prepared).len, round);
	}
	if (conversation->pipeline.count) {
		rewrite_unref(rewrite);
		return from_client_hold_quiet(conversation, round);
	}
	return change(conversation, statement, rewrite, in_place, round);
}

static enum verdict look_again(struct conversation *conversation, struct name *statement,
			       const struct client_text *in_place, struct round *round)
{
	struct slice kept = prepared_text(statement->prepared);
	struct client_text text = text_in_place(in_place);
	if (!kept.data)
		return use_unkept(conversation, statement, in_place, round);
	struct rewrite *rewrite = long_text_rewrite(conversation, kept, REWRITE_EXTENDED, statement->prepared);
	if (!rewrite)
		return from_client_hold(conversation, HOLD_PARSE);
	if (client_text_must_settle(conversation, rewrite)) {
		rewrite_unref(rewrite);
		return from_client_hold(conversation, HOLD_SETTLE);
	}
	if (rewrite->outcome == REWRITE_NEED_SEARCH_PATH || conversation_must_ask_level(conversation, rewrite)) {
		rewrite_unref(rewrite);
		return client_text_ask_search_path(conversation, &text, round);
	}
	conversation->hidden_failed = false;
	rewrite = client_text_place(conversation, kept, rewrite);
	return compare(conversation, statement, rewrite, in_place, round);
}

enum verdict reprepare_statement(struct conversation *conversation, struct name *statement,
				 const struct client_text *in_place, struct round *round)
{
	if (!statement || !conversation->ruleset || !from_client_may_wait(conversation))
		return VERDICT_PASS;
	if (statement->prepared) {
		const struct rewrite *sent = sent_of(statement);
		if (sent && client_text_must_look(conversation, sent))
			return from_client_hold(conversation, HOLD_FACT);
		if (!is_current(conversation, statement)) {
			enum verdict verdict = look_again(conversation, statement, in_place, round);
			if (verdict != VERDICT_PASS)
				return verdict;
		}
	}
	/* A prepared EXECUTE runs another one, and that can be no EXECUTE. */
	return in_place ? VERDICT_PASS : reprepare_executed(conversation, statement->rewrite, NULL, round);
}

/* Whether what stands before a statement of the text changes what its names mean. */
static bool changes_meaning(const struct rewrite *rewrite, size_t before)
{
	for (size_t i = 0; i < before; i++) {
		for (size_t k = 0; k < rewrite->statements[i].effect_count; k++) {
			enum effect_kind kind = rewrite->statements[i].effects[k].kind;
			if (kind <= EFFECT_TEMP_DROP || kind == EFFECT_RELATION_CREATED ||
			    kind == EFFECT_RELATION_DROPPED)
				return true;
		}
	}
	return false;
}

static bool same_uses(const struct statement_shape *a, const struct statement_shape *b)
{
	size_t count = a ? a->use_count : 0;
	if (count != (b ? b->use_count : 0))
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct use *x = &a->uses[i], *y = &b->uses[i];
		if (strcmp(x->table, y->table) != 0 || x->side != y->side || x->kind != y->kind || x->flags != y->flags)
			return false;
	}
	return true;
}

static const struct statement_shape *shape_of(const struct rewrite *rewrite)
{
	return rewrite->statement_count ? rewrite->statements[0].shape : NULL;
}

/* In the state that the statements of the text before it make, as far as that can be known. */
static struct rewrite *rewrite_behind(struct conversation *conversation, struct slice sql, const struct rewrite *text,
				      size_t before)
{
	struct session_state *state = session_state_new("", "", NULL);
	session_state_assign(state, state_now(conversation));
	for (size_t i = 0; i < before; i++) {
		for (size_t k = 0; k < text->statements[i].effect_count; k++)
			session_state_apply(state, &text->statements[i].effects[k]);
	}
	struct rewrite *rewrite =
		rewriter_run(conversation->env->rewriter, sql, REWRITE_EXTENDED, state, conversation->ruleset);
	session_state_free(state);
	return rewrite;
}

/* Nothing can be prepared in the middle of a text. The server looks the names up again there, and so it is enough
 * if the statement as it has it stays right. */
static bool stays_right(struct conversation *conversation, const struct name *name, const struct rewrite *text,
			size_t before)
{
	struct slice kept = prepared_text(name->prepared);
	const struct rewrite *sent = sent_of(name);
	if (!kept.data || name->prepared->lost || long_text_is_long(conversation, kept))
		return false;
	struct rewrite *there = rewrite_behind(conversation, kept, text, before);
	bool same = there->outcome <= REWRITE_REWRITTEN && same_text(sent, there) &&
		    same_uses(shape_of(sent), shape_of(there));
	rewrite_unref(there);
	return same;
}

static enum verdict reprepare_one(struct conversation *conversation, const struct rewrite *rewrite, size_t index,
				  const struct effect *effect, const struct client_text *in_place,
				  struct round *round)
{
	struct name *name = names_find(&conversation->statements, slice_str(effect->name));
	if (!name || !name->prepared)
		return VERDICT_PASS;
	const struct rewrite *sent = sent_of(name);
	if (in_place && sent && sent->depends_on_state && changes_meaning(rewrite, index))
		return stays_right(conversation, name, rewrite, index) ?
			       VERDICT_PASS :
			       fail(conversation, in_place, REQUEST_OTHER_TABLES, round);
	struct client_text ours = text_in_place(NULL);
	return reprepare_statement(conversation, name, in_place ? in_place : &ours, round);
}

enum verdict reprepare_executed(struct conversation *conversation, const struct rewrite *rewrite,
				const struct client_text *in_place, struct round *round)
{
	for (size_t i = 0; rewrite && i < rewrite->statement_count; i++) {
		for (size_t k = 0; k < rewrite->statements[i].effect_count; k++) {
			const struct effect *effect = &rewrite->statements[i].effects[k];
			enum verdict verdict =
				effect->kind == EFFECT_EXECUTE && effect->name ?
					reprepare_one(conversation, rewrite, i, effect, in_place, round) :
					VERDICT_PASS;
			if (verdict != VERDICT_PASS)
				return verdict;
		}
	}
	return VERDICT_PASS;
}

/* ---- answers ---- */

void reprepare_deinit(struct conversation *conversation)
{
	struct reprepare *reprepare = &conversation->reprepare;
	if (reprepare->name)
		names_release(&conversation->statements, reprepare->name);
	rewrite_unref(reprepare->rewrite);
	*reprepare = (struct reprepare){ 0 };
}

static void complete(struct conversation *conversation)
{
	struct reprepare *reprepare = &conversation->reprepare;
	if (conversation->exchange == EXCHANGE_SWITCH) {
		traffic_add(&conversation->env->traffic->reprepared, 1);
		take(reprepare->name, reprepare->rewrite, reprepare->view, reprepare->stamp);
	} else {
		struct prepared *prepared = reprepare->name->prepared;
		prepared->types_known |= conversation->exchange == EXCHANGE_TYPES; /* or nobody will ever know */
		long_text_keep(conversation, prepared, reprepare->rewrite, reprepare->stamp, reprepare->view);
	}
	reprepare->rewrite = NULL;
	reprepare_deinit(conversation);
}

static void pop(struct conversation *conversation)
{
	conversation_pop(conversation);
	if (!conversation->pipeline.count)
		complete(conversation);
}

/* "23 1043": the OIDs of all parameters. */
static void take_types(struct prepared *prepared, struct slice body)
{
	struct slice value;
	struct buf types = { 0 };
	uint16_t count = 0;
	if (!data_row_first(body, &value) || !value.data)
		return;
	char *text = memory_copy(value.data, value.len), *at = text, *word;
	buf_append_u16(&types, 0);
	while ((word = strsep(&at, " ")) && count < UINT16_MAX) {
		if (!*word)
			continue;
		buf_append_u32(&types, (uint32_t)strtoul(word, NULL, 10));
		count++;
	}
	types.data[0] = (char)(count >> 8);
	types.data[1] = (char)(count & 0xff);
	prepared_set_types(prepared, buf_slice(&types));
	buf_deinit(&types);
	free(text);
}

static void take_columns(struct conversation *conversation, struct slice body)
{
	struct prepared *prepared = conversation->reprepare.name->prepared;
	prepared->tried_view = conversation->reprepare.view;
	prepared->tried_stamp = conversation->reprepare.stamp;
	prepared->tried_good = prepared_hash_columns(body) == prepared->columns;
	pop(conversation);
}

static void closed(struct conversation *conversation)
{
	if (conversation_head(conversation)->statement == FORGETS)
		conversation->reprepare.name->prepared->lost = true;
	pop(conversation);
}

static void ready(struct conversation *conversation, struct slice body)
{
	char status = conversation->vars.ready;
	uint64_t number = pipeline_head_number(&conversation->pipeline);
	(void)ready_read(body, &status);
	conversation->segment_failed = false;
	if (status == 'I')
		conversation_transaction_ended(conversation, number);
	pop(conversation);
}

bool reprepare_answer(struct conversation *conversation, const struct message *message)
{
	struct slice body = message_body(message);
	switch (message->type) {
	case SERVER_PARSE_COMPLETE:
	case SERVER_BIND_COMPLETE:
	case SERVER_COMMAND_COMPLETE:
		pop(conversation);
		return false;
	case SERVER_CLOSE_COMPLETE:
		closed(conversation);
		return false;
	case SERVER_DATA_ROW:
		take_types(conversation->reprepare.name->prepared, body);
		return false;
	case SERVER_PARAMETERS:
		return false;
	case SERVER_ROWS:
	case SERVER_NO_DATA:
		take_columns(conversation, body);
		return false;
	case SERVER_READY:
		ready(conversation, body);
		return false;
	default:
		return true;
	}
}

/* In front of a Query the ReadyForQuery that follows is the client's too. */
void reprepare_failed(struct conversation *conversation)
{
	if (conversation->reprepare.for_query) {
		struct request *sync = conversation_head(conversation);
		conversation->query_failed = true;
		if (sync)
			sync->flags &= (uint16_t)~REQUEST_HIDDEN;
	}
	reprepare_deinit(conversation);
}

/* ---- SQL ---- */

/* What the server got is what is made of the text now: its state has not changed since it ran. */
void reprepare_remember(struct conversation *conversation, struct prepared **slot, const struct effect *prepare)
{
	const struct session_state *state = conversation->vars.confirmed;
	struct slice sql = slice_str(prepare->text ? prepare->text : "");
	prepared_unref(*slot);
	*slot = NULL;
	if (!conversation->ruleset || !sql.len)
		return;
	struct prepared *prepared = *slot = prepared_new(&conversation->texts, sql, (struct slice){ 0 });
	prepared->in_sql = true;
	prepared->begins_text = prepare->begins_text;
	prepared->stamp = session_state_stamp(state);
	if (long_text_is_long(conversation, sql))
		return; /* looked at when somebody runs it */
	struct rewrite *rewrite =
		rewriter_run(conversation->env->rewriter, sql, REWRITE_EXTENDED, state, conversation->ruleset);
	if (rewrite->outcome <= REWRITE_REWRITTEN) {
		prepared->sent = rewrite;
		prepared->view = conversation->view;
	} else {
		rewrite_unref(rewrite);
	}
}
