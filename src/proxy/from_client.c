/*
 * What each message of a client means: one row of a table per type. Query and
 * Parse are read whole, of others only the beginning; all else is passed on
 * from the read buffer as it came.
 */
#include "proxy/bind_names.h"
#include "proxy/conversation.h"

enum {
	SMALL_BYTES = 10000,	 /* the server's own limit for messages that are short by nature */
	BIND_NAMES_BYTES = 4096, /* of a Bind, to find its two names */
};

static struct request *push(struct conversation *conversation, enum request_kind kind)
{
	struct request *request = pipeline_push(&conversation->pipeline, kind);
	request->copy_ends = conversation->copy_ends;
	conversation->flushed = false;
	return request;
}

/* Room for one more request, or the client waits. */
static bool has_room(struct conversation *conversation)
{
	if (conversation->pipeline.count < conversation->env->pipeline)
		return true;
	conversation->hold = HOLD_ROOM;
	return false;
}

/* The requests of a segment that the server is skipping get no answers, hence no entries. */
static struct request *push_extended(struct conversation *conversation, enum request_kind kind)
{
	conversation->in_segment = true;
	return conversation->skipping ? NULL : push(conversation, kind);
}

static bool has_meaning(const struct name *name)
{
	return name && (name->rewrite || name->shape || name->pending);
}

/* The name means something else from now on; the request keeps what it meant.
 * Where there is nothing to remember and nothing to forget, nothing is done. */
static void give_meaning(struct names *names, struct slice text, struct request *request, struct rewrite *rewrite,
			 struct statement_shape *shape)
{
	if (!rewrite && !shape && !has_meaning(names_find(names, text)))
		return;
	request->name = names_hold(names, text);
	request->displaced = name_exchange(request->name, rewrite ? rewrite_ref(rewrite) : NULL);
}

/* ---- Query and Parse ---- */

/* Only texts that use the map or change the session are worth remembering. */
static struct rewrite *worth_keeping(struct rewrite *rewrite)
{
	bool matters = rewrite->outcome == REWRITE_REFUSED || rewrite->splice_count;
	for (size_t i = 0; !matters && i < rewrite->statement_count; i++)
		matters = rewrite->statements[i].shape || rewrite->statements[i].effect_count;
	if (matters || rewrite->parameter_count)
		return rewrite;
	rewrite_unref(rewrite);
	return NULL;
}

struct text {
	bool is_query;
	size_t bytes; /* of the whole message */
	struct slice sql, name, types;
};

/* Takes over rewrite, which may be NULL. */
static void push_text(struct conversation *conversation, const struct text *text, struct rewrite *rewrite,
		      uint16_t flags)
{
	struct request *request;
	parking_go(conversation);
	if (text->is_query) {
		request = conversation->skipping ? NULL : push(conversation, REQUEST_QUERY);
		if (request)
			session_vars_sent(&conversation->vars, rewrite);
	} else {
		request = push_extended(conversation, REQUEST_PARSE);
		if (request)
			give_meaning(&conversation->statements, text->name, request, rewrite, NULL);
	}
	if (!request) {
		rewrite_unref(rewrite);
		return;
	}
	request->rewrite = rewrite;
	request->flags = flags;
	conversation_touch(conversation, rewrite);
	if (text->is_query) {
		request->flags |= session_vars_segment_sent(&conversation->vars) ? REQUEST_EFFECTS : 0;
		conversation->in_segment = false;
	}
}

static void send_text(const struct text *text, struct slice sql, struct round *round)
{
	struct buf *out = output_own(&round->to_server);
	if (text->is_query)
		query_append(out, sql);
	else
		parse_append(out, text->name, sql, text->types);
}

/* Sends what fails in the same place; the answer says why (from_server.c). */
static enum verdict fail_text(struct conversation *conversation, const struct text *text, uint16_t flag,
			      struct round *round)
{
	struct text failing = *text;
	failing.types = (struct slice){ 0 };
	push_text(conversation, text, NULL, flag);
	send_text(&failing, slice_str("SELECT " REWRITE_REFUSAL_MARK), round);
	traffic_add(&conversation->env->traffic->statements_refused, 1);
	conversation->hidden_failed = false;
	return VERDICT_DONE;
}

static enum verdict hold(struct conversation *conversation, enum hold why)
{
	conversation->hold = why;
	return VERDICT_HOLD;
}

static enum verdict wait_at_gate(struct conversation *conversation, size_t bytes, struct round *round)
{
	parking_wait(conversation, bytes, round);
	return VERDICT_HOLD;
}

static enum verdict ask_search_path(struct conversation *conversation, const struct text *text, struct round *round)
{
	bool aborted = conversation->skipping || (conversation->vars.ready == 'E' && !conversation->pipeline.count);
	if (aborted || conversation->copy_in || conversation->hidden_failed)
		return fail_text(conversation, text, REQUEST_UNKNOWN_PATH, round);
	if (!conversation->pipeline.count) {
		hidden_start(conversation, round);
		return hold(conversation, HOLD_HIDDEN);
	}
	if (conversation->in_segment && !conversation->flushed) {
		flush_append(output_own(&round->to_server));
		conversation->flushed = true;
	}
	return hold(conversation, HOLD_QUIET);
}

/* What the server is going to ignore, or reads as the end of a COPY, touches nothing. */
static bool may_wait(const struct conversation *conversation)
{
	bool aborted = conversation->vars.ready == 'E' && !conversation->pipeline.count;
	return !conversation->skipping && !conversation->copy_in && !aborted;
}

/* The text may mean something else once earlier segments have settled. */
static bool must_settle(const struct conversation *conversation, const struct rewrite *rewrite)
{
	return conversation->vars.unsettled && rewrite->depends_on_state && !conversation->skipping;
}

/* The session's own DDL may have changed what the text's names mean. In a transaction new
 * rules are not taken, and what the session itself did is known (model/session_state.h). */
static bool must_look(struct conversation *conversation, const struct rewrite *rewrite)
{
	bool matters = rewrite->depends_on_state || conversation->ruleset->has_patterns;
	return conversation->fact_ticket && matters && conversation_idle(conversation);
}

static enum verdict pass_text(struct conversation *conversation, const struct text *text, struct rewrite *rewrite)
{
	traffic_add(&conversation->env->traffic->statements_unchanged, 1);
	push_text(conversation, text, worth_keeping(rewrite), 0);
	return VERDICT_PASS;
}

static enum verdict replace_text(struct conversation *conversation, const struct text *text, struct rewrite *rewrite,
				 struct round *round)
{
	struct traffic *traffic = conversation->env->traffic;
	bool refused = rewrite->outcome == REWRITE_REFUSED;
	traffic_add(refused ? &traffic->statements_refused : &traffic->statements_rewritten, 1);
	send_text(text, rewrite->sql, round);
	push_text(conversation, text, rewrite, 0);
	return VERDICT_DONE;
}

static enum verdict use_rewrite(struct conversation *conversation, const struct text *text, struct rewrite *rewrite,
				struct round *round)
{
	if (must_settle(conversation, rewrite)) {
		rewrite_unref(rewrite);
		if (conversation->copy_in)
			return fail_text(conversation, text, REQUEST_UNKNOWN_PATH, round);
		return hold(conversation, HOLD_SETTLE);
	}
	if (must_look(conversation, rewrite)) {
		rewrite_unref(rewrite);
		return hold(conversation, HOLD_FACT);
	}
	if (rewrite->outcome == REWRITE_NEED_SEARCH_PATH) {
		rewrite_unref(rewrite);
		return ask_search_path(conversation, text, round);
	}
	if (conversation->parking.cancelled) {
		rewrite_unref(rewrite);
		return fail_text(conversation, text, REQUEST_CANCELLED, round);
	}
	if (may_wait(conversation) && conversation_paused(conversation, rewrite)) {
		rewrite_unref(rewrite);
		return wait_at_gate(conversation, text->bytes, round);
	}
	conversation->hidden_failed = false;
	if (rewrite->outcome == REWRITE_UNCHANGED)
		return pass_text(conversation, text, rewrite);
	return replace_text(conversation, text, rewrite, round);
}

static bool read_text(const struct message *message, struct text *text_out)
{
	struct text text = { .is_query = message->type == CLIENT_QUERY, .bytes = message->size };
	struct parse_message parse = { 0 };
	bool good = text.is_query ? query_read(message_body(message), &text.sql) :
				    parse_read(message_body(message), &parse);
	if (!good)
		return false;
	if (!text.is_query) {
		text.sql = parse.sql;
		text.name = parse.name;
		text.types = parse.types;
	}
	*text_out = text;
	return true;
}

/* Without rules a text passes unread, and what it does to the session is not seen. */
static enum verdict pass_blind(struct conversation *conversation, const struct message *message)
{
	struct text text = { .is_query = message->type == CLIENT_QUERY };
	conversation->blind = true;
	push_text(conversation, &text, NULL, 0);
	return VERDICT_PASS;
}

static bool is_watched(struct conversation *conversation)
{
	conversation_adopt_ruleset(conversation);
	return conversation->ruleset != NULL;
}

/* The result that came back, if the session is still the one it was asked for. */
static struct rewrite *take_parsed(struct conversation *conversation, const struct session_state *state)
{
	struct rewrite *rewrite = conversation->parsed;
	conversation->parsed = NULL;
	if (!rewrite || (conversation->parsed_stamp == session_state_stamp(state) &&
			 conversation->parsed_version == conversation->ruleset->version))
		return rewrite;
	rewrite_unref(rewrite);
	return NULL;
}

/* NULL: it is parsed elsewhere. */
static struct rewrite *rewrite_text(struct conversation *conversation, const struct text *text)
{
	const struct conversation_env *env = conversation->env;
	const struct session_state *state = session_vars_now(&conversation->vars, &conversation->pipeline);
	struct parse_request request = { text->sql, text->is_query ? REWRITE_SIMPLE : REWRITE_EXTENDED, state,
					 conversation->ruleset };
	struct rewrite *rewrite = take_parsed(conversation, state);
	bool is_long = env->parse && text->sql.len > env->inline_bytes;
	if (!rewrite && is_long)
		rewrite = rewriter_known(env->rewriter, text->sql, state, conversation->ruleset);
	if (!rewrite && is_long) {
		conversation->parsing = env->parse(env->context, conversation, &request);
		conversation->parsed_stamp = session_state_stamp(state);
		conversation->parsed_version = conversation->ruleset->version;
	}
	if (!rewrite && !conversation->parsing)
		rewrite = rewriter_run(env->rewriter, text->sql, request.protocol, state, conversation->ruleset);
	if (rewrite)
		forecast_note(env->forecasts, text->sql, request.protocol, state, conversation->ruleset, rewrite);
	return rewrite;
}

/* What is counted for the text is counted for the place in the application's code that it names. */
static struct rewrite *place(const struct conversation *conversation, struct slice sql, struct rewrite *rewrite)
{
	struct origin origin;
	if (!conversation->env->counter || !rewrite->statement_count || !origin_is_likely(sql) ||
	    !origin_read(sql, &origin))
		return rewrite;
	return rewrite_with_origin(rewrite, &origin);
}

enum verdict conversation_on_text(struct conversation *conversation, const struct message *message,
				  struct round *round)
{
	struct text text;
	if (!has_room(conversation))
		return VERDICT_HOLD;
	if (!is_watched(conversation))
		return pass_blind(conversation, message);
	if (!read_text(message, &text))
		return pass_blind(conversation, message); /* the server refuses it as malformed */
	struct rewrite *rewrite = rewrite_text(conversation, &text);
	if (!rewrite)
		return hold(conversation, HOLD_PARSE);
	return use_rewrite(conversation, &text, place(conversation, text.sql, rewrite), round);
}

/* Too long to be kept: it fails, and the rest of it is thrown away. */
enum verdict conversation_on_oversize(struct conversation *conversation, const struct message *message,
				      struct round *round)
{
	struct text text = { .is_query = message->type == CLIENT_QUERY };
	struct bind_names names = { 0 };
	if (!has_room(conversation))
		return VERDICT_HOLD;
	if (!text.is_query && bind_read_names(message_body(message), &names))
		text.name = names.portal; /* a Parse begins with its name as a Bind does */
	return fail_text(conversation, &text, REQUEST_TOO_LARGE, round);
}

/* ---- the others ---- */

/* Names among the parameters must be read, so the whole message must be there. */
static const struct rewrite *wants_names(struct conversation *conversation, const struct message *message)
{
	struct bind_names names;
	if (conversation->skipping || message->size > conversation->env->message_bytes ||
	    !bind_read_names(message_body(message), &names))
		return NULL;
	const struct name *statement = names_find(&conversation->statements, names.statement);
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
	return statement && may_wait(conversation) && conversation->ruleset &&
	       (conversation_paused(conversation, statement->rewrite) ||
		conversation_paused_shape(conversation, statement->shape) ||
		conversation_paused_shape(conversation, bound->values));
}

static void push_bind(struct conversation *conversation, const struct name *statement, struct slice portal,
		      const struct bound *bound)
{
	struct request *request = push_extended(conversation, REQUEST_BIND);
	parking_go(conversation);
	if (!request)
		return;
	struct rewrite *rewrite = statement ? statement->rewrite : NULL;
	struct statement_shape *shape = bound->values ? bound->values : statement ? statement->shape : NULL;
	conversation_touch(conversation, rewrite);
	conversation_touch_shape(conversation, shape);
	give_meaning(&conversation->portals, portal, request, rewrite, shape);
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
	struct request *request = push_extended(conversation, REQUEST_PARSE);
	parking_go(conversation);
	if (request)
		request->flags = REQUEST_CANCELLED;
	parse_append(output_own(&round->to_server), slice_str("crossfade_cancelled"),
		     slice_str("SELECT " REWRITE_REFUSAL_MARK), (struct slice){ 0 });
	traffic_add(&conversation->env->traffic->statements_refused, 1);
	return VERDICT_DONE;
}

static enum verdict on_bind(struct conversation *conversation, const struct message *message, struct round *round)
{
	struct bind_names names;
	struct bound bound = { 0 };
	if (!has_room(conversation))
		return VERDICT_HOLD;
	conversation_adopt_ruleset(conversation);
	const struct rewrite *named = wants_names(conversation, message);
	if (named && message->available < message->size)
		return VERDICT_HOLD; /* until more of it has come */
	if (!bind_read_names(message_body(message), &names)) {
		push_extended(conversation, REQUEST_BIND);
		return VERDICT_PASS;
	}
	struct name *statement = names_find(&conversation->statements, names.statement);
	bool replaced = named && bind_names_replace(conversation, named, message_body(message), &bound.message,
						    &bound.values);
	enum verdict verdict = replaced ? VERDICT_DONE : VERDICT_PASS;
	if (conversation->parking.cancelled) {
		verdict = fail_at_gate(conversation, round);
	} else if (bind_waits(conversation, statement, &bound)) {
		verdict = wait_at_gate(conversation, message->available, round);
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
	if (!has_room(conversation))
		return VERDICT_HOLD;
	struct request *request = push_extended(conversation, REQUEST_EXECUTE);
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

static enum verdict on_describe(struct conversation *conversation, const struct message *message, struct round *round)
{
	struct object_message object;
	const struct name *statement = NULL;
	const struct bound nothing = { 0 };
	if (!has_room(conversation))
		return VERDICT_HOLD;
	conversation_adopt_ruleset(conversation);
	if (object_read(message_body(message), &object) && object.kind == 'S')
		statement = names_find(&conversation->statements, object.name);
	if (conversation->parking.cancelled)
		return fail_at_gate(conversation, round);
	if (bind_waits(conversation, statement, &nothing))
		return wait_at_gate(conversation, message->available, round);
	parking_go(conversation);
	if (push_extended(conversation, REQUEST_DESCRIBE) && statement) {
		conversation_touch(conversation, statement->rewrite);
		conversation_touch_shape(conversation, statement->shape);
	}
	return VERDICT_PASS;
}

static enum verdict on_close(struct conversation *conversation, const struct message *message, struct round *round)
{
	struct object_message object = { 0 };
	if (!has_room(conversation))
		return VERDICT_HOLD;
	bool good = object_read(message_body(message), &object);
	bool portal = object.kind == 'P';
	struct names *names = portal ? &conversation->portals : &conversation->statements;
	struct request *request =
		push_extended(conversation, portal ? REQUEST_CLOSE_PORTAL : REQUEST_CLOSE_STATEMENT);
	if (request && good)
		give_meaning(names, object.name, request, NULL, NULL);
	return VERDICT_PASS;
}

/* In COPY the server swallows Sync; after it, one ends the segment. */
static enum verdict on_sync(struct conversation *conversation, const struct message *message, struct round *round)
{
	if (conversation->copy_in)
		return VERDICT_PASS;
	if (!has_room(conversation))
		return VERDICT_HOLD;
	struct request *request = push(conversation, REQUEST_SYNC);
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
	if (!has_room(conversation))
		return VERDICT_HOLD;
	if (conversation->skipping)
		return VERDICT_PASS;
	push(conversation, REQUEST_FUNCTION);
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
	return is_text(message->type) && message->size > conversation->env->message_bytes && is_watched(conversation);
}

static size_t bytes_needed(struct conversation *conversation, const struct message *message, bool oversize)
{
	size_t need = rules[message->type].need;
	if (is_text(message->type)) {
		need = is_watched(conversation) ? message->size : FRAME_HEAD_BYTES;
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

size_t conversation_from_client(struct conversation *conversation, const char *data, size_t len, struct round *round)
{
	size_t at = 0;
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
