/*
 * What each message of a server means: one row of a table per type. Answers
 * settle the request at the head of the pipeline; rows and copy data are
 * hopped over by their length and passed on from the read buffer.
 */
#include "proxy/conversation.h"

#include "proxy/answer_error.h"
#include "proxy/refusal_log.h"

#include <stdlib.h>

enum { WHOLE_MAX_BYTES = 1 << 20 }; /* longer ones are passed unread */

static bool head_is(struct conversation *conversation, enum request_kind kind)
{
	struct request *head = conversation_head(conversation);
	return head && head->kind == kind;
}

static void pop_if(struct conversation *conversation, enum request_kind kind)
{
	if (head_is(conversation, kind))
		conversation_pop(conversation);
}

/* ---- completions ---- */

static enum verdict on_parse_complete(struct conversation *conversation, const struct message *message,
				      struct round *round)
{
	struct request *head = conversation_head(conversation);
	if (head && head->kind == REQUEST_PARSE) {
		if (head->name)
			name_set_shape(head->name, NULL);
		conversation_pop(conversation);
	}
	return VERDICT_PASS;
}

static enum verdict on_bind_complete(struct conversation *conversation, const struct message *message,
				     struct round *round)
{
	pop_if(conversation, REQUEST_BIND);
	return VERDICT_PASS;
}

static enum verdict on_close_complete(struct conversation *conversation, const struct message *message,
				      struct round *round)
{
	struct request *head = conversation_head(conversation);
	if (head && (head->kind == REQUEST_CLOSE_STATEMENT || head->kind == REQUEST_CLOSE_PORTAL)) {
		if (head->name)
			name_set_shape(head->name, NULL);
		conversation_pop(conversation);
	}
	return VERDICT_PASS;
}

/* RowDescription or NoData: the end of a Describe, or the beginning of a Query's rows. */
static enum verdict on_description(struct conversation *conversation, const struct message *message,
				   struct round *round)
{
	struct request *head = conversation_head(conversation);
	conversation->described = message->type == SERVER_ROWS ? DESCRIBED_ROWS : DESCRIBED_NO_ROWS;
	if (!head || head->kind != REQUEST_DESCRIBE)
		return VERDICT_PASS;
	if (head->prepared) {
		head->prepared->described = true;
		head->prepared->columns = prepared_hash_columns(message_body(message));
	}
	conversation_pop(conversation);
	return VERDICT_PASS;
}

/* ParameterDescription: what the server takes the parameters for. */
static enum verdict on_parameters(struct conversation *conversation, const struct message *message,
				  struct round *round)
{
	struct request *head = conversation_head(conversation);
	if (head && head->kind == REQUEST_DESCRIBE && head->prepared)
		prepared_set_types(head->prepared, message_body(message));
	return VERDICT_PASS;
}

/* Statements without anything in them get no answer of their own. */
static void skip_empty(struct request *query)
{
	while (query->rewrite && query->statement < query->rewrite->statement_count &&
	       query->rewrite->statements[query->statement].kind == STATEMENT_EMPTY)
		query->statement++;
}

static void end_copy(struct conversation *conversation)
{
	conversation->server_copying = false;
	conversation->copy_in = false;
}

/* What the rewriter has to say of the statement that is being answered. */
static void give_notice(const struct request *head, struct round *round)
{
	size_t index = head->kind == REQUEST_QUERY ? head->statement : 0;
	bool runs = head->kind == REQUEST_QUERY || (head->kind == REQUEST_EXECUTE && (head->flags & REQUEST_FRESH));
	if (runs && head->rewrite && index < head->rewrite->statement_count && head->rewrite->statements[index].notice)
		notice_append(output_own(&round->to_client), "WARNING", head->rewrite->statements[index].notice);
}

/* CREATE TABLE AS and SELECT INTO say "SELECT 5", as a query does, but describe no rows. */
static bool makes_table_of_rows(const struct conversation *conversation, const struct request *head, struct slice tag)
{
	enum described expected = head->kind == REQUEST_QUERY ? DESCRIBED_NOT : DESCRIBED_NO_ROWS;
	return tag.len > 7 && memcmp(tag.data, "SELECT ", 7) == 0 && conversation->described == expected;
}

/* DDL whose text names nothing mapped was not parsed, and still decides what wildcards and search paths find. */
static void note_ddl(struct conversation *conversation, const struct request *head, struct slice tag)
{
	if (conversation->ruleset && !conversation->ddl_seen &&
	    (tag_changes_relations(tag) || makes_table_of_rows(conversation, head, tag)))
		conversation->ddl_seen = !conversation_only_temporary(head);
	conversation->described = DESCRIBED_NOT;
}

static enum verdict on_command_complete(struct conversation *conversation, const struct message *message,
					struct round *round)
{
	struct request *head = conversation_head(conversation);
	struct slice tag = { 0 };
	end_copy(conversation);
	tag_read(message_body(message), &tag);
	if (head && head->kind == REQUEST_QUERY) {
		skip_empty(head);
		note_ddl(conversation, head, tag);
		give_notice(head, round);
		conversation_settle(conversation, head, USAGE_OK, tag);
		head->flags |= REQUEST_ANSWERED;
		head->statement++;
	} else if (head && head->kind == REQUEST_EXECUTE) {
		note_ddl(conversation, head, tag);
		give_notice(head, round);
		conversation_settle(conversation, head, USAGE_OK, tag);
		conversation_pop(conversation);
	}
	return VERDICT_PASS;
}

static enum verdict on_empty_query(struct conversation *conversation, const struct message *message,
				   struct round *round)
{
	struct request *head = conversation_head(conversation);
	if (head && head->kind == REQUEST_QUERY)
		head->flags |= REQUEST_ANSWERED;
	else
		pop_if(conversation, REQUEST_EXECUTE);
	return VERDICT_PASS;
}

/* So many rows as were asked for came; more may follow with another Execute. */
static enum verdict on_suspended(struct conversation *conversation, const struct message *message,
				 struct round *round)
{
	struct request *head = conversation_head(conversation);
	if (!head || head->kind != REQUEST_EXECUTE)
		return VERDICT_PASS;
	if (head->flags & REQUEST_FRESH) {
		struct statement_shape *shape = head->rewrite && head->rewrite->statement_count ?
							head->rewrite->statements[0].shape :
							NULL;
		conversation_count(conversation, head->rewrite, shape ? shape : head->name ? head->name->shape : NULL, USAGE_OK,
				   head->statement);
	}
	conversation_pop(conversation);
	return VERDICT_PASS;
}

static enum verdict on_function_result(struct conversation *conversation, const struct message *message,
				       struct round *round)
{
	if (head_is(conversation, REQUEST_FUNCTION))
		conversation_head(conversation)->flags |= REQUEST_ANSWERED;
	return VERDICT_PASS;
}

/* ---- COPY ---- */

/*
 * From here until CopyDone or CopyFail the server swallows Sync. Those that
 * the client had sent already, directly after this request and before the
 * end of its copy, will not be answered: libpq sends one right after Execute.
 */
static void drop_swallowed_syncs(struct conversation *conversation, const struct request *copy)
{
	for (uint32_t i = 1; i < conversation->pipeline.count; i++) {
		struct request *request = pipeline_at(&conversation->pipeline, i);
		if (request->kind == REQUEST_NONE)
			continue;
		if (request->kind != REQUEST_SYNC || request->copy_ends != copy->copy_ends)
			return;
		request->kind = REQUEST_NONE;
		conversation->in_segment = true;
		if (request->flags & REQUEST_EFFECTS)
			session_vars_segment_rejoined(&conversation->vars);
		request->flags = 0;
	}
}

static enum verdict on_copy_in(struct conversation *conversation, const struct message *message, struct round *round)
{
	struct request *head = conversation_head(conversation);
	if (!head || (head->kind != REQUEST_QUERY && head->kind != REQUEST_EXECUTE))
		return VERDICT_PASS;
	drop_swallowed_syncs(conversation, head);
	conversation->server_copying = true;
	conversation->copy_in = head->copy_ends == conversation->copy_ends;
	head->copy_ends++; /* a second COPY of the same Query waits for the next end */
	return VERDICT_PASS;
}

/* The message that broke a simple COPY was consumed by it and gets no answer. */
static void drop_copy_breaker(struct conversation *conversation, const struct request *query)
{
	for (uint32_t i = 1; i < conversation->pipeline.count; i++) {
		struct request *request = pipeline_at(&conversation->pipeline, i);
		if (request->kind == REQUEST_NONE || request->kind == REQUEST_SYNC)
			continue;
		if ((uint16_t)(request->copy_ends + 1) == query->copy_ends)
			conversation_discard(conversation, request);
		return;
	}
}

/* ---- errors ---- */

static enum traffic_error error_of(const struct request *head, bool refused)
{
	return !refused				     ? TRAFFIC_ERROR_SERVER :
	       head->flags & REQUEST_TOO_LARGE	     ? TRAFFIC_ERROR_TOO_LARGE :
	       head->flags & REQUEST_CANCELLED	     ? TRAFFIC_ERROR_CANCELLED :
	       head->flags & (REQUEST_UNKNOWN_PATH | REQUEST_OTHER_TABLES) ? TRAFFIC_ERROR_UNKNOWN :
						       TRAFFIC_ERROR_REFUSED;
}

/* Whether the failure is one of the statement's own: in an aborted transaction the server begins none. */
static bool counts_as_failure(const struct request *head, const struct error_fields *fields)
{
	bool statement = head->kind == REQUEST_QUERY || head->kind == REQUEST_PARSE || head->kind == REQUEST_BIND ||
			 head->kind == REQUEST_EXECUTE;
	return statement && !slice_is(fields->sqlstate, SQLSTATE_IN_FAILED_TRANSACTION);
}

static void settle_failure(struct conversation *conversation, struct request *head, enum usage_outcome outcome,
			   bool begun)
{
	struct slice no_tag = { 0 };
	if (begun)
		conversation_settle(conversation, head, outcome, no_tag);
	if (head->kind == REQUEST_QUERY || head->kind == REQUEST_FUNCTION)
		head->flags |= REQUEST_ANSWERED | REQUEST_FAILED;
	else if (head->kind == REQUEST_SYNC)
		conversation->segment_failed = true; /* a deferred constraint, at the commit */
	else
		conversation_abort_segment(conversation);
}

/* The server does not know a table or column that the map made of the text: the facts may be stale. */
static bool contradicts_facts(struct conversation *conversation, const struct request *head,
			      const struct error_fields *fields)
{
	bool unknown = slice_is(fields->sqlstate, SQLSTATE_UNDEFINED_TABLE) ||
		       slice_is(fields->sqlstate, SQLSTATE_UNDEFINED_SCHEMA) ||
		       slice_is(fields->sqlstate, SQLSTATE_UNDEFINED_COLUMN);
	return (unknown || retry_is_fenced(fields)) && conversation_shape(conversation, head);
}

static enum verdict fail_head(struct conversation *conversation, struct request *head, const struct message *message,
			      const struct error_fields *fields, struct round *round)
{
	struct error refusal;
	enum verdict verdict;
	bool refused = answer_error_refusal(conversation, head, fields, &refusal);
	traffic_add(&conversation->env->traffic->errors[error_of(head, refused)], 1);
	if (head->kind == REQUEST_QUERY)
		skip_empty(head);
	if (!slice_is(fields->sqlstate, SQLSTATE_IN_FAILED_TRANSACTION))
		give_notice(head, round);
	if (refused) {
		error_append_like(output_own(&round->to_client), fields, &refusal);
		refusal_log_note(conversation->env->refusals, conversation, head, &refusal);
		verdict = VERDICT_DONE;
	} else {
		verdict = answer_error_pass(conversation, head, message, fields, round);
	}
	if (conversation->server_copying && head->kind == REQUEST_QUERY &&
	    slice_is(fields->sqlstate, SQLSTATE_PROTOCOL_VIOLATION))
		drop_copy_breaker(conversation, head);
	end_copy(conversation);
	conversation->facts_doubted |= !refused && contradicts_facts(conversation, head, fields);
	settle_failure(conversation, head, refused ? USAGE_REFUSED : USAGE_ERROR, counts_as_failure(head, fields));
	return verdict;
}

/* As if the client had seen it; it may never do (retry.h). */
static void hold_back(struct conversation *conversation, struct request *head, const struct message *message,
		      const struct error_fields *fields)
{
	struct retry *retry = &conversation->retry;
	struct round held = { .to_client = { .scratch = &retry->answer } };
	if (answer_error_pass(conversation, head, message, fields, &held) == VERDICT_PASS)
		buf_append(&retry->answer, message->data, message->size);
	retry->stage = RETRY_FAILED;
	retry->counts.waiting = true;
	conversation->facts_doubted = true;
	settle_failure(conversation, head, USAGE_ERROR, counts_as_failure(head, fields));
	retry->counts.waiting = false;
}

static enum verdict on_error(struct conversation *conversation, const struct message *message, struct round *round)
{
	struct request *head = conversation_head(conversation);
	struct error_fields fields = { 0 };
	(void)error_fields_read(message_body(message), &fields); /* what cannot be read is passed on */
	if (error_fields_fatal(&fields))
		conversation->server_fatal = true;
	if (!head || conversation->server_fatal)
		return VERDICT_PASS;
	if (message->available >= message->size && retry_wants(conversation, head, &fields)) {
		hold_back(conversation, head, message, &fields);
		return VERDICT_DONE;
	}
	return fail_head(conversation, head, message, &fields, round);
}

static enum verdict on_notice(struct conversation *conversation, const struct message *message, struct round *round)
{
	struct request *head = conversation_head(conversation);
	struct error_fields fields;
	if (!head || !head->rewrite || !error_fields_read(message_body(message), &fields))
		return VERDICT_PASS;
	return answer_error_pass(conversation, head, message, &fields, round);
}

/* ---- the rest ---- */

static enum verdict on_parameter_status(struct conversation *conversation, const struct message *message,
					struct round *round)
{
	struct slice name, value;
	if (parameter_status_read(message_body(message), &name, &value))
		conversation_reported(conversation, name, value);
	return VERDICT_PASS;
}

/* Portals end with their transaction. */
static void forget_portals(struct conversation *conversation)
{
	struct names *portals = &conversation->portals;
	if (!portals->named && !portals->unnamed.rewrite && !portals->unnamed.shape)
		return;
	names_deinit(portals);
	names_init(portals);
}

static void on_transaction_end(struct conversation *conversation)
{
	if (!conversation->pipeline.count && !conversation->in_segment) {
		forget_portals(conversation);
		retry_rest(&conversation->retry);
	}
	if ((conversation->ddl_seen || conversation->facts_doubted) && conversation->env->facts_stale) {
		conversation->fact_ticket =
			conversation->env->facts_stale(conversation->env->context, conversation->who.database);
		conversation->own_relations = conversation->fact_ticket != 0;
	}
	conversation->ddl_seen = conversation->facts_doubted = false;
}

/*
 * Whether this ReadyForQuery ends the head. A stray one can come when COPY
 * failed before it swallowed a Sync: it is passed on and ends nothing.
 */
static bool ends_head(const struct request *head)
{
	if (!head)
		return false;
	return head->kind == REQUEST_SYNC ||
	       ((head->kind == REQUEST_QUERY || head->kind == REQUEST_FUNCTION) && (head->flags & REQUEST_ANSWERED));
}

static enum verdict on_ready(struct conversation *conversation, const struct message *message, struct round *round)
{
	struct request *head = conversation_head(conversation);
	char status = conversation->vars.ready;
	(void)ready_read(message_body(message), &status);
	bool ends = ends_head(head);
	bool failed = conversation->segment_failed || (ends && (head->flags & REQUEST_FAILED));
	bool effects = ends && (head->flags & REQUEST_EFFECTS);
	uint64_t answered = pipeline_head_number(&conversation->pipeline) - !ends;
	if (ends)
		conversation_pop(conversation);
	else if (!head)
		conversation->skipping = false;
	conversation->segment_failed = false;
	end_copy(conversation);
	parking_ready(conversation, status);
	session_vars_ready(&conversation->vars, status, failed, effects);
	if (status == 'I') {
		traffic_add(&conversation->env->traffic->transactions, 1);
		conversation_transaction_ended(conversation, answered);
		on_transaction_end(conversation);
	}
	if (conversation->retry.stage == RETRY_FAILED)
		return retry_ready(conversation, message, round) ? VERDICT_DONE : VERDICT_PASS;
	return VERDICT_PASS;
}

struct server_rule {
	enum verdict (*on)(struct conversation *conversation, const struct message *message, struct round *round);
	bool whole; /* the body is read, not only the head */
	bool aside; /* no part of an answer: may come at any time */
};

static const struct server_rule rules[256] = {
	[SERVER_PARSE_COMPLETE] = { on_parse_complete, false },
	[SERVER_BIND_COMPLETE] = { on_bind_complete, false },
	[SERVER_CLOSE_COMPLETE] = { on_close_complete, false },
	[SERVER_ROWS] = { on_description, true },
	[SERVER_PARAMETERS] = { on_parameters, true },
	[SERVER_NO_DATA] = { on_description, false },
	[SERVER_COMMAND_COMPLETE] = { on_command_complete, true },
	[SERVER_EMPTY_QUERY] = { on_empty_query, false },
	[SERVER_PORTAL_SUSPENDED] = { on_suspended, false },
	[SERVER_FUNCTION_RESULT] = { on_function_result, false },
	[SERVER_COPY_IN] = { on_copy_in, false },
	[SERVER_ERROR] = { on_error, true },
	[SERVER_NOTICE] = { on_notice, true, true },
	[SERVER_NOTIFICATION] = { NULL, false, true },
	[SERVER_PARAMETER_STATUS] = { on_parameter_status, true, true },
	[SERVER_READY] = { on_ready, true },
};

static bool head_is_hidden(struct conversation *conversation)
{
	struct request *head = conversation_head(conversation);
	return head && (head->flags & REQUEST_HIDDEN);
}

/* Answers to requests of ours; the client gets errors that end its own. */
static enum verdict judge_hidden(struct conversation *conversation, const struct message *message,
				 struct round *round)
{
	struct error_fields fields = { 0 };
	if (conversation->exchange == EXCHANGE_SETTINGS) {
		bool seen = hidden_answer(conversation, message);
		if (seen && message->type != SERVER_ERROR && rules[message->type].on)
			return rules[message->type].on(conversation, message, round);
		return seen ? VERDICT_PASS : VERDICT_DONE;
	}
	if (message->type != SERVER_ERROR)
		return reprepare_answer(conversation, message) ? VERDICT_PASS : VERDICT_DONE;
	(void)error_fields_read(message_body(message), &fields);
	if (error_fields_fatal(&fields)) {
		conversation->server_fatal = true;
		return VERDICT_PASS;
	}
	struct request *head = conversation_head(conversation);
	enum verdict verdict = answer_error_pass(conversation, head, message, &fields, round);
	conversation->facts_doubted |= contradicts_facts(conversation, head, &fields);
	settle_failure(conversation, head, USAGE_ERROR, counts_as_failure(head, &fields));
	reprepare_failed(conversation);
	return verdict;
}

static enum verdict judge(struct conversation *conversation, const struct message *message, struct round *round)
{
	const struct server_rule *rule = &rules[message->type];
	if (conversation->hold == HOLD_HIDDEN && head_is_hidden(conversation))
		return judge_hidden(conversation, message, round);
	return rule->on ? rule->on(conversation, message, round) : VERDICT_PASS;
}

static size_t finish(struct conversation *conversation, const struct message *message, enum verdict verdict,
		     struct round *round)
{
	size_t take = message->available < message->size ? message->available : message->size;
	if (verdict == VERDICT_PASS) {
		output_pass(&round->to_client, message->data, take);
		conversation->server_pass = message->size - take;
	} else {
		conversation->server_drop = message->size - take;
	}
	return take;
}

static bool is_data(uint8_t type)
{
	return type == SERVER_DATA_ROW || type == SERVER_COPY_DATA;
}

/* Behind one that was passed on the others pass too: only their lengths are looked at. */
static size_t pass_more_data(struct conversation *conversation, const char *data, size_t len, struct round *round)
{
	size_t at = 0;
	uint64_t count = 0;
	while (len - at >= FRAME_HEAD_BYTES) {
		struct frame frame = frame_peek(data + at);
		if (!is_data(frame.type) || !frame_valid(frame) || frame.size > len - at)
			break;
		at += frame.size;
		count++;
	}
	traffic_add(&conversation->env->traffic->messages_from_server, count);
	output_pass(&round->to_client, data, at);
	return at;
}

/* What the client would get is kept back for now. */
static size_t withhold(struct conversation *conversation, const struct message *message)
{
	struct round held = { .to_client = { .scratch = &conversation->retry.answer } };
	conversation->retry.counts.waiting = true;
	size_t take = finish(conversation, message, judge(conversation, message, &held), &held);
	conversation->retry.counts.waiting = false;
	output_own(&held.to_client);
	return take;
}

static size_t take_message(struct conversation *conversation, const char *data, size_t len, struct round *round)
{
	if (len < FRAME_HEAD_BYTES)
		return 0;
	struct frame frame = frame_peek(data);
	struct message message = { .type = frame.type, .size = frame.size, .data = data, .available = len };
	if (!frame_valid(frame)) {
		conversation->violation = VIOLATION_SERVER;
		conversation->violation_text = "invalid message length";
		return 0;
	}
	bool whole = rules[frame.type].whole || conversation->hold == HOLD_HIDDEN;
	if (whole && frame.size <= WHOLE_MAX_BYTES && len < frame.size)
		return 0;
	traffic_add(&conversation->env->traffic->messages_from_server, 1);
	if (retry_withholds(conversation, &message))
		return withhold(conversation, &message);
	if (conversation->retry.stage == RETRY_NONE && conversation->retry.answer.len)
		retry_release(conversation, round);
	enum verdict verdict = judge(conversation, &message, round);
	conversation->retry.answered |= verdict == VERDICT_PASS && !rules[frame.type].aside;
	size_t take = finish(conversation, &message, verdict, round);
	if (is_data(frame.type) && take < len && is_data((uint8_t)data[take]) && verdict == VERDICT_PASS)
		take += pass_more_data(conversation, data + take, len - take, round);
	return take;
}

static size_t stream_through(struct conversation *conversation, const char *data, size_t len, struct round *round)
{
	size_t *left = conversation->server_pass ? &conversation->server_pass : &conversation->server_drop;
	size_t take = len < *left ? len : *left;
	if (conversation->server_pass)
		output_pass(&round->to_client, data, take);
	*left -= take;
	return take;
}

size_t conversation_from_server(struct conversation *conversation, const char *data, size_t len, struct round *round)
{
	size_t at = 0;
	while (at < len && !conversation->violation) {
		bool inside = conversation->server_pass || conversation->server_drop;
		size_t step = inside ? stream_through(conversation, data + at, len - at, round) :
				       take_message(conversation, data + at, len - at, round);
		if (!step)
			break;
		at += step;
	}
	return at;
}
