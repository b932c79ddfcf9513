/*
 * What each message of a client means: one row of a table per type. Query and
 * Parse (client_text.c) are read whole, of others only the beginning; all else
 * is passed on from the read buffer as it came.
 */
#include "proxy/from_client.h"

#include "proxy/bind_names.h"

enum {
	SMALL_BYTES = 10000,	 /* the server's own limit for messages that are short by nature */
	BIND_NAMES_BYTES = 4096, /* of a Bind, to find its two names */
};

/* ---- requests ---- */

struct request *from_client_push(struct conversation *conversation, enum request_kind kind)
{
	struct request *request = pipeline_push(&conversation->pipeline, kind);
	request->copy_ends = conversation->copy_ends;
	conversation->flushed = false;
	return request;
}

bool from_client_has_room(struct conversation *conversation)
{
	if (conversation->pipeline.count < conversation->env->pipeline)
		return true;
	conversation->hold = HOLD_ROOM;
	return false;
}

struct request *from_client_push_extended(struct conversation *conversation, enum request_kind kind)
{
	conversation->in_segment = true;
	return conversation->skipping ? NULL : from_client_push(conversation, kind);
}

enum verdict from_client_hold(struct conversation *conversation, enum hold why)
{
	conversation->hold = why;
	return VERDICT_HOLD;
}

enum verdict from_client_wait_at_gate(struct conversation *conversation, size_t bytes, struct round *round)
{
	parking_wait(conversation, bytes, round);
	return VERDICT_HOLD;
}

enum verdict from_client_hold_quiet(struct conversation *conversation, struct round *round)
{
	if (conversation->in_segment && !conversation->flushed) {
		flush_append(output_own(&round->to_server));
		conversation->flushed = true;
	}
	return from_client_hold(conversation, HOLD_QUIET);
}

bool from_client_may_wait(const struct conversation *conversation)
{
	bool aborted = conversation->vars.ready == 'E' && !conversation->pipeline.count;
	return !conversation->skipping && !conversation->copy_in && !aborted;
}

static bool has_meaning(const struct name *name)
{
	return name && (name->rewrite || name->shape || name->prepared || name->pending);
}

/* Where there is nothing to remember and nothing to forget, nothing is done. */
void from_client_give_meaning(struct names *names, struct slice text, struct request *request,
			      struct rewrite *rewrite, struct statement_shape *shape, struct prepared *prepared)
{
	if (!rewrite && !shape && !prepared && !has_meaning(names_find(names, text)))
		return;
	request->name = names_hold(names, text);
	request->displaced = name_exchange(request->name, rewrite ? rewrite_ref(rewrite) : NULL);
	request->prepared = name_exchange_prepared(request->name, prepared);
}

/* ---- Bind, Describe, Execute, Close ---- */

/* Names among the parameters must be read, so the whole message must be there. */
static const struct rewrite *wants_names(const struct conversation *conversation, const struct message *message,
					 const struct name *statement)
{
	if (conversation->skipping || message->size > conversation->env->message_bytes)
		return NULL;
	return statement && statement->rewrite && statement->rewrite->parameter_count ? statement->rewrite : NULL;
}

/* What the values of the Bind add to what its statement uses, and what to send if some are other names. */
struct bound {
	struct buf message; /* empty: the one that came */
	struct statement_shape *values; /* NULL: nothing of the map */
};

static void bound_deinit(struct bound *bound)
{
	buf_deinit(&bound->message);
	statement_shape_unref(bound->values);
}

static bool bind_waits(struct conversation *conversation, const struct name *statement, const struct bound *bound)
{
	return statement && from_client_may_wait(conversation) && conversation->ruleset &&
	       (conversation_paused(conversation, statement->rewrite) ||
		conversation_paused_shape(conversation, statement->shape) ||
		conversation_paused_shape(conversation, bound->values));
}

static void push_bind(struct conversation *conversation, const struct name *statement, struct slice portal,
		      const struct bound *bound)
{
	struct request *request = from_client_push_extended(conversation, REQUEST_BIND);
	parking_go(conversation);
	if (!request)
		return;
	struct rewrite *rewrite = statement ? statement->rewrite : NULL;
	struct statement_shape *shape = bound->values ? bound->values : statement ? statement->shape : NULL;
	conversation_touch(conversation, rewrite);
	conversation_touch_shape(conversation, shape);
	from_client_give_meaning(&conversation->portals, portal, request, rewrite, shape, NULL);
	if (request->name) {
		request->flags |= request->name->executed ? REQUEST_WAS_EXECUTED : 0;
		request->name->executed = false;
		name_set_shape(request->name, shape);
	}
	request->rewrite = rewrite ? rewrite_ref(rewrite) : NULL;
}

/* A Parse that fails under a name that no client has: to the client, its Bind or Describe did. */
static enum verdict fail_at_gate(struct conversation *conversation, struct round *round)
{
	struct client_text text = { .name = slice_str("crossfade_cancelled") };
	return client_text_fail(conversation, &text, REQUEST_CANCELLED, round);
}

static enum verdict on_bind(struct conversation *conversation, const struct message *message, struct round *round)
{
	struct bind_names names;
	struct bound bound = { 0 };
	if (!from_client_has_room(conversation))
		return VERDICT_HOLD;
	conversation_adopt_ruleset(conversation);
	if (!bind_read_names(message_body(message), &names)) {
		from_client_push_extended(conversation, REQUEST_BIND);
		return VERDICT_PASS;
	}
	if (conversation->parking.cancelled)
		return fail_at_gate(conversation, round);
	struct name *statement = names_find(&conversation->statements, names.statement);
	enum verdict ready = reprepare_statement(conversation, statement, NULL, round);
	if (ready != VERDICT_PASS)
		return ready;
	const struct rewrite *named = wants_names(conversation, message, statement);
	if (named && message->available < message->size)
		return VERDICT_HOLD; /* until more of it has come */
	bool replaced = named && bind_names_replace(conversation, named, message_body(message), &bound.message,
						    &bound.values);
	enum verdict verdict = replaced ? VERDICT_DONE : VERDICT_PASS;
	if (bind_waits(conversation, statement, &bound)) {
		verdict = from_client_wait_at_gate(conversation, message->available, round);
	} else {
		if (replaced)
			buf_append_slice(output_own(&round->to_server), buf_slice(&bound.message));
		push_bind(conversation, statement, names.portal, &bound);
	}
	bound_deinit(&bound);
	return verdict;
}

static enum verdict on_execute(struct conversation *conversation, const struct message *message, struct round *round)
{
	struct execute_message execute;
	if (!from_client_has_room(conversation))
		return VERDICT_HOLD;
	struct request *request = from_client_push_extended(conversation, REQUEST_EXECUTE);
	if (!request || !execute_read(message_body(message), &execute))
		return VERDICT_PASS;
	request->statement = execute.max_rows;
	struct name *portal = names_find(&conversation->portals, execute.portal);
	if (!portal || (!portal->rewrite && !portal->shape))
		return VERDICT_PASS;
	request->flags |= portal->executed ? 0 : REQUEST_FRESH;
	portal->executed = true;
	if (portal->shape)
		request->name = names_hold(&conversation->portals, execute.portal);
	if (portal->rewrite) {
		request->rewrite = rewrite_ref(portal->rewrite);
		session_vars_sent(&conversation->vars, portal->rewrite);
	}
	return VERDICT_PASS;
}

static enum verdict describe_statement(struct conversation *conversation, const struct message *message,
				       struct name *statement, struct round *round)
{
	const struct bound nothing = { 0 };
	if (conversation->parking.cancelled)
		return fail_at_gate(conversation, round);
	enum verdict ready = reprepare_statement(conversation, statement, NULL, round);
	if (ready != VERDICT_PASS)
		return ready;
	if (bind_waits(conversation, statement, &nothing))
		return from_client_wait_at_gate(conversation, message->available, round);
	parking_go(conversation);
	struct request *request = from_client_push_extended(conversation, REQUEST_DESCRIBE);
	if (request && statement) {
		request->prepared = prepared_ref(statement->prepared);
		conversation_touch(conversation, statement->rewrite);
		conversation_touch_shape(conversation, statement->shape);
	}
	return VERDICT_PASS;
}

static enum verdict on_describe(struct conversation *conversation, const struct message *message, struct round *round)
{
	struct object_message object;
	if (!from_client_has_room(conversation))
		return VERDICT_HOLD;
	conversation_adopt_ruleset(conversation);
	if (object_read(message_body(message), &object) && object.kind == 'S')
		return describe_statement(conversation, message, names_find(&conversation->statements, object.name),
					  round);
	from_client_push_extended(conversation, REQUEST_DESCRIBE);
	return VERDICT_PASS;
}

static enum verdict on_close(struct conversation *conversation, const struct message *message, struct round *round)
{
	struct object_message object = { 0 };
	if (!from_client_has_room(conversation))
		return VERDICT_HOLD;
	bool good = object_read(message_body(message), &object);
	bool portal = object.kind == 'P';
	struct names *names = portal ? &conversation->portals : &conversation->statements;
	struct request *request =
		from_client_push_extended(conversation, portal ? REQUEST_CLOSE_PORTAL : REQUEST_CLOSE_STATEMENT);
	if (request && good)
		from_client_give_meaning(names, object.name, request, NULL, NULL, NULL);
	return VERDICT_PASS;
}

/* In COPY the server swallows Sync; after it, one ends the segment. */
static enum verdict on_sync(struct conversation *conversation, const struct message *message, struct round *round)
{
	if (conversation->copy_in)
		return VERDICT_PASS;
	if (!from_client_has_room(conversation))
		return VERDICT_HOLD;
	struct request *request = from_client_push(conversation, REQUEST_SYNC);
	request->flags |= session_vars_segment_sent(&conversation->vars) ? REQUEST_EFFECTS : 0;
	conversation->in_segment = false;
	conversation->skipping = false;
	return VERDICT_PASS;
}

static enum verdict on_copy_end(struct conversation *conversation, const struct message *message, struct round *round)
{
	conversation->copy_ends++;
	conversation->copy_in = false;
	return VERDICT_PASS;
}

enum { OID_SET_CONFIG = 2078 };

/* The one function by which the fast path could change what names mean. */
static enum verdict on_function_call(struct conversation *conversation, const struct message *message,
				     struct round *round)
{
	static const struct effect unknown = { .kind = EFFECT_SET_UNKNOWN, .name = "search_path" };
	const uint8_t *oid = (const uint8_t *)message->data + FRAME_HEAD_BYTES;
	if (!from_client_has_room(conversation))
		return VERDICT_HOLD;
	if (conversation->skipping)
		return VERDICT_PASS;
	from_client_push(conversation, REQUEST_FUNCTION);
	if (message->size >= FRAME_HEAD_BYTES + 4 && conversation->vars.confirmed &&
	    ((uint32_t)oid[0] << 24 | (uint32_t)oid[1] << 16 | (uint32_t)oid[2] << 8 | oid[3]) == OID_SET_CONFIG) {
		session_state_apply(conversation->vars.confirmed, &unknown);
		conversation->vars.predicted_valid = false;
	}
	return VERDICT_PASS;
}

static enum verdict on_terminate(struct conversation *conversation, const struct message *message,
				 struct round *round)
{
	conversation->terminated = true;
	return VERDICT_PASS;
}

struct client_rule {
	enum verdict (*on)(struct conversation *conversation, const struct message *message, struct round *round);
	uint32_t need; /* bytes of the message, head included, that `on` looks at; UINT32_MAX: all */
	uint32_t max;  /* of the whole message; 0: no limit of its own */
};

enum { ALL = UINT32_MAX };

static const struct client_rule rules[256] = {
	[CLIENT_QUERY] = { conversation_on_text, ALL, 0 },
	[CLIENT_PARSE] = { conversation_on_text, ALL, 0 },
	[CLIENT_BIND] = { on_bind, BIND_NAMES_BYTES, 0 },
	[CLIENT_EXECUTE] = { on_execute, ALL, SMALL_BYTES },
	[CLIENT_DESCRIBE] = { on_describe, ALL, SMALL_BYTES },
	[CLIENT_CLOSE] = { on_close, ALL, SMALL_BYTES },
	[CLIENT_SYNC] = { on_sync, FRAME_HEAD_BYTES, SMALL_BYTES },
	[CLIENT_FLUSH] = { NULL, FRAME_HEAD_BYTES, SMALL_BYTES },
	[CLIENT_COPY_DATA] = { NULL, FRAME_HEAD_BYTES, 0 },
	[CLIENT_COPY_DONE] = { on_copy_end, FRAME_HEAD_BYTES, SMALL_BYTES },
	[CLIENT_COPY_FAIL] = { on_copy_end, FRAME_HEAD_BYTES, SMALL_BYTES },
	[CLIENT_FUNCTION_CALL] = { on_function_call, FRAME_HEAD_BYTES + 4, 0 },
	[CLIENT_TERMINATE] = { on_terminate, FRAME_HEAD_BYTES, SMALL_BYTES },
};

static bool is_text(uint8_t type)
{
	return type == CLIENT_QUERY || type == CLIENT_PARSE;
}

static size_t violate(struct conversation *conversation, const char *text)
{
	conversation->violation = VIOLATION_CLIENT;
	conversation->violation_text = text;
	return 0;
}

static bool is_oversize(struct conversation *conversation, const struct message *message)
{
	return is_text(message->type) && message->size > conversation->env->message_bytes && client_text_is_watched(conversation);
}

static size_t bytes_needed(struct conversation *conversation, const struct message *message, bool oversize)
{
	size_t need = rules[message->type].need;
	if (is_text(message->type)) {
		need = client_text_is_watched(conversation) ? message->size : FRAME_HEAD_BYTES;
		if (oversize)
			need = BIND_NAMES_BYTES;
	}
	if (need < FRAME_HEAD_BYTES)
		need = FRAME_HEAD_BYTES;
	return need < message->size ? need : message->size;
}

static size_t finish(struct conversation *conversation, const struct message *message, enum verdict verdict,
		     struct round *round)
{
	size_t take = message->available < message->size ? message->available : message->size;
	if (verdict == VERDICT_HOLD)
		return 0;
	traffic_add(&conversation->env->traffic->messages_from_client, 1);
	retry_keep(conversation, message);
	if (verdict == VERDICT_PASS) {
		output_pass(&round->to_server, message->data, take);
		conversation->client_pass = message->size - take;
		conversation->query_begun = message->type == CLIENT_QUERY;
	} else {
		conversation->client_drop = message->size - take;
	}
	return take;
}

static size_t take_message(struct conversation *conversation, const char *data, size_t len, struct round *round)
{
	if (len < FRAME_HEAD_BYTES)
		return 0;
	struct frame frame = frame_peek(data);
	const struct client_rule *rule = &rules[frame.type];
	struct message message = { .type = frame.type, .size = frame.size, .data = data, .available = len };
	if (!frame_valid(frame) || (rule->max && frame.size > rule->max))
		return violate(conversation, "invalid message length");
	bool oversize = is_oversize(conversation, &message);
	if (len < bytes_needed(conversation, &message, oversize))
		return 0;
	retry_begin(conversation);
	enum verdict verdict = oversize ? conversation_on_oversize(conversation, &message, round) :
			       rule->on ? rule->on(conversation, &message, round) :
					  VERDICT_PASS;
	return finish(conversation, &message, verdict, round);
}

static size_t stream_through(struct conversation *conversation, const char *data, size_t len, struct round *round)
{
	size_t *left = conversation->client_pass ? &conversation->client_pass : &conversation->client_drop;
	size_t take = len < *left ? len : *left;
	if (conversation->client_pass)
		output_pass(&round->to_server, data, take);
	*left -= take;
	return take;
}

/* What failed is sent again, under the rules that hold now; or the client gets its error. False: it waits. */
static bool go_on_retrying(struct conversation *conversation, struct round *round)
{
	struct retry *retry = &conversation->retry;
	if (retry->stage == RETRY_LOOKING) {
		conversation_adopt_ruleset(conversation);
		if (conversation->view == retry->view) {
			retry_give_up(conversation, round);
			return true;
		}
		buf_deinit(&retry->answer);
		late_counts_drop(&retry->counts);
		retry->stage = RETRY_REPLAYING;
		traffic_add(&conversation->env->traffic->retried, 1);
		retry->at = 0;
	}
	while (retry->at < retry->kept.len && !conversation->violation && !conversation_held(conversation))
		retry->at += take_message(conversation, retry->kept.data + retry->at, retry->kept.len - retry->at,
					  round);
	output_own(&round->to_server); /* what was kept may be overwritten from here on */
	if (retry->at < retry->kept.len)
		return false;
	retry->stage = RETRY_NONE;
	retry->keeping = false;
	return true;
}

size_t conversation_from_client(struct conversation *conversation, const char *data, size_t len, struct round *round)
{
	size_t at = 0;
	if (retry_pending(&conversation->retry) &&
	    (conversation_held(conversation) || !go_on_retrying(conversation, round)))
		return 0;
	while (at < len && !conversation->violation && !conversation->terminated) {
		bool inside = conversation->client_pass || conversation->client_drop;
		size_t step;
		if (!inside && conversation_held(conversation))
			break;
		step = inside ? stream_through(conversation, data + at, len - at, round) :
				take_message(conversation, data + at, len - at, round);
		if (!step)
			break;
		at += step;
	}
	return at;
}
