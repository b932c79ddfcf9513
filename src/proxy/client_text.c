/*
 * A Query or Parse of the client: read, rewritten, and sent; or it waits for
 * what must be known before, or something that fails takes its place.
 */
#include "proxy/from_client.h"

struct rewrite *client_text_worth_keeping(struct rewrite *rewrite)
{
	bool matters = rewrite->outcome == REWRITE_REFUSED || rewrite->splice_count || rewrite->depends_on_state;
	for (size_t i = 0; !matters && i < rewrite->statement_count; i++)
		matters = rewrite->statements[i].shape || rewrite->statements[i].effect_count;
	if (matters || rewrite->parameter_count)
		return rewrite;
	rewrite_unref(rewrite);
	return NULL;
}

/* What may have to be prepared anew one day; NULL: this one never. */
static struct prepared *prepare(struct conversation *conversation, const struct client_text *text,
				const struct rewrite *rewrite)
{
	if (!text->sql.data || (!text->name.len && !rewrite) || (rewrite && rewrite->outcome == REWRITE_REFUSED))
		return NULL;
	struct prepared *prepared = prepared_new(&conversation->texts, text->sql, text->types);
	prepared->view = conversation->view;
	prepared->stamp = session_state_stamp(session_vars_now(&conversation->vars, &conversation->pipeline));
	return prepared;
}

/* Takes over rewrite, which may be NULL. */
static void push_text(struct conversation *conversation, const struct client_text *text, struct rewrite *rewrite,
		      uint16_t flags)
{
	struct request *request;
	parking_go(conversation);
	if (text->is_query) {
		request = conversation->skipping ? NULL : from_client_push(conversation, REQUEST_QUERY);
		if (request)
			session_vars_sent(&conversation->vars, rewrite);
	} else {
		request = from_client_push_extended(conversation, REQUEST_PARSE);
		if (request)
			from_client_give_meaning(&conversation->statements, text->name, request, rewrite, NULL,
						 flags ? NULL : prepare(conversation, text, rewrite));
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

static void send_text(const struct client_text *text, struct slice sql, struct round *round)
{
	struct buf *out = output_own(&round->to_server);
	if (text->is_query)
		query_append(out, sql);
	else
		parse_append(out, text->name, sql, text->types);
}

enum verdict client_text_fail(struct conversation *conversation, const struct client_text *text, uint16_t flag,
			      struct round *round)
{
	struct client_text failing = *text;
	failing.types = (struct slice){ 0 };
	push_text(conversation, text, NULL, flag);
	send_text(&failing, slice_str("SELECT " REWRITE_REFUSAL_MARK), round);
	traffic_add(&conversation->env->traffic->statements_refused, 1);
	conversation->hidden_failed = false;
	return VERDICT_DONE;
}

enum verdict client_text_ask_search_path(struct conversation *conversation, const struct client_text *text, struct round *round)
{
	if (!from_client_may_wait(conversation) || conversation->hidden_failed)
		return client_text_fail(conversation, text,
					conversation->parking.cancelled ? REQUEST_CANCELLED : REQUEST_UNKNOWN_PATH, round);
	if (!conversation->pipeline.count) {
		hidden_start(conversation, round);
		return from_client_hold(conversation, HOLD_HIDDEN);
	}
	return from_client_hold_quiet(conversation, round);
}

bool client_text_must_settle(const struct conversation *conversation, const struct rewrite *rewrite)
{
	return conversation->vars.unsettled && rewrite->depends_on_state && !conversation->skipping;
}

/* In a transaction what the session itself did is known (model/session_state.h). */
bool client_text_must_look(struct conversation *conversation, const struct rewrite *rewrite)
{
	bool matters = rewrite->depends_on_state || conversation->ruleset->has_patterns;
	return conversation->fact_ticket && matters && conversation_idle(conversation);
}

static enum verdict pass_text(struct conversation *conversation, const struct client_text *text, struct rewrite *rewrite)
{
	traffic_add(&conversation->env->traffic->statements_unchanged, 1);
	push_text(conversation, text, client_text_worth_keeping(rewrite), 0);
	return VERDICT_PASS;
}

enum verdict client_text_replace(struct conversation *conversation, const struct client_text *text, struct rewrite *rewrite,
				 struct round *round)
{
	struct traffic *traffic = conversation->env->traffic;
	bool refused = rewrite->outcome == REWRITE_REFUSED;
	traffic_add(refused ? &traffic->statements_refused : &traffic->statements_rewritten, 1);
	send_text(text, rewrite->sql, round);
	push_text(conversation, text, rewrite, 0);
	return VERDICT_DONE;
}

static enum verdict use_rewrite(struct conversation *conversation, const struct client_text *text, struct rewrite *rewrite,
				struct round *round)
{
	if (client_text_must_settle(conversation, rewrite)) {
		rewrite_unref(rewrite);
		if (conversation->copy_in)
			return client_text_fail(conversation, text, REQUEST_UNKNOWN_PATH, round);
		return from_client_hold(conversation, HOLD_SETTLE);
	}
	if (client_text_must_look(conversation, rewrite)) {
		rewrite_unref(rewrite);
		return from_client_hold(conversation, HOLD_FACT);
	}
	if (rewrite->outcome == REWRITE_NEED_SEARCH_PATH ||
	    (conversation->snapshot == SNAPSHOT_ASK && from_client_may_wait(conversation) &&
	     conversation_must_ask_level(conversation, rewrite))) {
		rewrite_unref(rewrite);
		return client_text_ask_search_path(conversation, text, round);
	}
	if (conversation->parking.cancelled) {
		rewrite_unref(rewrite);
		return client_text_fail(conversation, text, REQUEST_CANCELLED, round);
	}
	enum verdict executed = reprepare_executed(conversation, rewrite, text, round);
	if (executed != VERDICT_PASS) {
		rewrite_unref(rewrite);
		return executed;
	}
	if (from_client_may_wait(conversation) && conversation_paused(conversation, rewrite)) {
		rewrite_unref(rewrite);
		return from_client_wait_at_gate(conversation, text->bytes, round);
	}
	conversation->hidden_failed = false;
	if (rewrite->outcome == REWRITE_UNCHANGED)
		return pass_text(conversation, text, rewrite);
	return client_text_replace(conversation, text, rewrite, round);
}

static bool read_text(const struct message *message, struct client_text *text_out)
{
	struct client_text text = { .is_query = message->type == CLIENT_QUERY, .bytes = message->size };
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
	struct client_text text = { .is_query = message->type == CLIENT_QUERY };
	conversation->blind = true;
	push_text(conversation, &text, NULL, 0);
	return VERDICT_PASS;
}

bool client_text_is_watched(struct conversation *conversation)
{
	conversation_adopt_ruleset(conversation);
	return conversation->ruleset != NULL;
}

/* NULL: it is parsed elsewhere. */
static struct rewrite *rewrite_text(struct conversation *conversation, const struct client_text *text)
{
	enum rewrite_protocol protocol = text->is_query ? REWRITE_SIMPLE : REWRITE_EXTENDED;
	struct rewrite *rewrite = long_text_rewrite(conversation, text->sql, protocol, NULL);
	if (rewrite)
		forecast_note(conversation->env->forecasts, text->sql, protocol,
			      session_vars_now(&conversation->vars, &conversation->pipeline), conversation->ruleset,
			      rewrite);
	return rewrite;
}

struct rewrite *client_text_place(const struct conversation *conversation, struct slice sql, struct rewrite *rewrite)
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
	struct client_text text;
	if (conversation->query_failed) { /* the client has its error already, of an exchange ahead of it */
		conversation->query_failed = false;
		return VERDICT_DONE;
	}
	if (!from_client_has_room(conversation))
		return VERDICT_HOLD;
	if (!conversation->ruleset)
		return pass_blind(conversation, message);
	if (!read_text(message, &text))
		return pass_blind(conversation, message); /* the server refuses it as malformed */
	struct rewrite *rewrite = rewrite_text(conversation, &text);
	if (!rewrite)
		return from_client_hold(conversation, HOLD_PARSE);
	return use_rewrite(conversation, &text, client_text_place(conversation, text.sql, rewrite), round);
}

/* Too long to be kept: it fails, and the rest of it is thrown away. */
enum verdict conversation_on_oversize(struct conversation *conversation, const struct message *message,
				      struct round *round)
{
	struct client_text text = { .is_query = message->type == CLIENT_QUERY };
	struct bind_names names = { 0 };
	if (!from_client_has_room(conversation))
		return VERDICT_HOLD;
	if (!text.is_query && bind_read_names(message_body(message), &names))
		text.name = names.portal; /* a Parse begins with its name as a Bind does */
	return client_text_fail(conversation, &text, REQUEST_TOO_LARGE, round);
}

