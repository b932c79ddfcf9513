#include "proxy/retry.h"

#include "proxy/conversation.h"
#include "proxy/error_place.h"
#include "wire/error_fields.h"

enum {
	KEPT_BYTES = 1024,	/* of memory, between segments */
	WITHHELD_BYTES = 8192,	/* as much as the server keeps itself */
};

void retry_init(struct retry *retry)
{
	*retry = (struct retry){ 0 };
	buf_init(&retry->kept);
	buf_init(&retry->answer);
}

void retry_deinit(struct retry *retry)
{
	buf_deinit(&retry->kept);
	buf_deinit(&retry->answer);
	late_counts_drop(&retry->counts);
	retry_init(retry);
}

/* ---- keeping ---- */

void retry_rest(struct retry *retry)
{
	if (retry->stage == RETRY_NONE && retry->kept.capacity > KEPT_BYTES)
		buf_deinit(&retry->kept);
}

void retry_begin(struct conversation *conversation)
{
	struct retry *retry = &conversation->retry;
	if (conversation->pipeline.count || conversation->in_segment || conversation->vars.ready != 'I' ||
	    retry->stage != RETRY_NONE)
		return;
	buf_clear(&retry->kept);
	retry->keeping = conversation->ruleset && conversation->env->retry_bytes && conversation->env->facts_stale;
	retry->answered = false;
	retry->withholding = WITHHOLDING_UNDECIDED;
}

static bool may_come_again(uint8_t type)
{
	switch (type) {
	case CLIENT_QUERY:
	case CLIENT_PARSE:
	case CLIENT_BIND:
	case CLIENT_DESCRIBE:
	case CLIENT_EXECUTE:
	case CLIENT_CLOSE:
	case CLIENT_FLUSH:
	case CLIENT_SYNC:
		return true;
	default:
		return false;
	}
}

void retry_keep(struct conversation *conversation, const struct message *message)
{
	struct retry *retry = &conversation->retry;
	if (!retry->keeping || retry->stage != RETRY_NONE)
		return;
	bool whole = message->available >= message->size;
	if (!whole || message->size > conversation->env->retry_bytes - retry->kept.len || !may_come_again(message->type)) {
		retry->keeping = false;
		return;
	}
	buf_append(&retry->kept, message->data, message->size);
	retry->view = conversation->view;
}

/* ---- deciding ---- */

static bool has_effects(const struct rewrite *rewrite)
{
	for (size_t i = 0; rewrite && i < rewrite->statement_count; i++) {
		for (size_t k = 0; k < rewrite->statements[i].effect_count; k++) {
			if (rewrite->statements[i].effects[k].kind != EFFECT_EXECUTE)
				return true;
		}
	}
	return false;
}

/* Nothing is under way but this one segment, all of it was sent, and it changes nothing but rows. */
static bool is_alone(struct conversation *conversation)
{
	struct pipeline *pipeline = &conversation->pipeline;
	for (uint32_t i = 0; i < pipeline->count; i++) {
		const struct request *request = pipeline_at(pipeline, i);
		bool ends = request->kind == REQUEST_SYNC || request->kind == REQUEST_QUERY;
		if (ends != (i + 1 == pipeline->count) || request->kind == REQUEST_FUNCTION ||
		    has_effects(request->rewrite))
			return false;
	}
	return pipeline->count > 0 && conversation->hold == HOLD_NONE && !conversation->in_segment &&
	       !conversation->client_pass && !conversation->client_drop && !conversation->copy_in;
}

static bool has_several_statements(struct conversation *conversation)
{
	struct pipeline *pipeline = &conversation->pipeline;
	size_t count = 0;
	for (uint32_t i = 0; i < pipeline->count; i++) {
		const struct request *request = pipeline_at(pipeline, i);
		count += request->kind == REQUEST_EXECUTE;
		if (request->kind == REQUEST_QUERY && request->rewrite)
			count += request->rewrite->statement_count;
	}
	return count > 1;
}

/* After its last words the server says nothing more, and what is held back would be lost. */
static bool is_fatal(const struct message *message)
{
	struct error_fields fields = { 0 };
	return message->type == SERVER_ERROR &&
	       (!error_fields_read(message_body(message), &fields) || error_fields_fatal(&fields));
}

bool retry_withholds(struct conversation *conversation, const struct message *message)
{
	struct retry *retry = &conversation->retry;
	if (!retry->keeping || retry->answered || retry->stage != RETRY_NONE ||
	    retry->withholding == WITHHOLDING_NOTHING)
		return false;
	if (retry->withholding == WITHHOLDING_UNDECIDED)
		retry->withholding = is_alone(conversation) && has_several_statements(conversation) ?
					     WITHHOLDING :
					     WITHHOLDING_NOTHING;
	bool goes_on = message->type != SERVER_NOTICE && message->type != SERVER_COPY_IN &&
		       message->type != SERVER_COPY_OUT && message->type != SERVER_READY &&
		       message->available >= message->size &&
		       retry->answer.len + message->size <= WITHHELD_BYTES;
	return retry->withholding == WITHHOLDING && goes_on && !is_fatal(message);
}

void retry_release(struct conversation *conversation, struct round *round)
{
	struct retry *retry = &conversation->retry;
	buf_append_slice(output_own(&round->to_client), buf_slice(&retry->answer));
	buf_deinit(&retry->answer);
	conversation_count_late(conversation);
	retry->answered = true;
}

bool retry_is_missing_relation(const struct error_fields *fields)
{
	return !slice_is(fields->routine, "errorMissingRTE");
}

bool retry_is_fenced(const struct error_fields *fields)
{
	return slice_is(fields->sqlstate, "55000") && slice_is(fields->constraint, FACT_FENCE);
}

/* The name vanished: of a table, of its schema, or of a column that the map gave another name. */
static bool is_about_names(struct conversation *conversation, const struct request *head,
			   const struct error_fields *fields)
{
	uint32_t len;
	if (retry_is_fenced(fields))
		return conversation_shape(conversation, head);
	bool column = slice_is(fields->sqlstate, SQLSTATE_UNDEFINED_COLUMN);
	if (!column && !slice_is(fields->sqlstate, SQLSTATE_UNDEFINED_TABLE) &&
	    !slice_is(fields->sqlstate, SQLSTATE_UNDEFINED_SCHEMA))
		return false;
	if (!conversation_shape(conversation, head) || !retry_is_missing_relation(fields))
		return false;
	struct error_place place = error_place_of(conversation, head, fields);
	if (place.rewrite && place.rewrite->splice_count && place.position)
		return rewrite_replaced_at(place.rewrite, place.position, &len);
	return !column;
}

bool retry_wants(struct conversation *conversation, const struct request *head, const struct error_fields *fields)
{
	const struct retry *retry = &conversation->retry;
	return retry->keeping && !retry->answered && retry->stage == RETRY_NONE &&
	       is_about_names(conversation, head, fields) && is_alone(conversation);
}

bool retry_ready(struct conversation *conversation, const struct message *message, struct round *round)
{
	struct retry *retry = &conversation->retry;
	bool whole = message->available >= message->size;
	if (conversation->vars.ready != 'I' || !conversation->fact_ticket || !whole) {
		retry_give_up(conversation, round);
		return false;
	}
	buf_append(&retry->answer, message->data, message->size);
	retry->stage = RETRY_LOOKING;
	conversation->hold = HOLD_FACT;
	return true;
}

void retry_give_up(struct conversation *conversation, struct round *round)
{
	struct retry *retry = &conversation->retry;
	traffic_add(&conversation->env->traffic->errors[TRAFFIC_ERROR_SERVER], 1);
	retry_release(conversation, round);
	retry->stage = RETRY_NONE;
	retry->keeping = false;
}
