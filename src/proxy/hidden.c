/*
 * The hidden exchange: SHOW search_path, and once code has run the role and the
 * temporary tables, asked of the server between two messages of the client
 * (rewriting.md §1.5). By Parse/Bind/Execute under
 * reserved names, never by a Query, which would end an implicit transaction
 * and destroy the unnamed statement. Between segments it ends with a Sync and
 * leaves no trace; inside a segment with a Flush, for a Sync would end that.
 */
#include "proxy/conversation.h"

#include "wire/error_fields.h"

#include "base/memory.h"

#include <stdlib.h>

struct request *hidden_push(struct conversation *conversation, enum request_kind kind)
{
	struct request *request = pipeline_push(&conversation->pipeline, kind);
	request->flags = REQUEST_HIDDEN;
	request->copy_ends = conversation->copy_ends;
	return request;
}

/* In the order in which they are asked. SHOW takes no snapshot, which a transaction would keep. */
enum question { ASK_PATH, ASK_SESSION_USER, ASK_ROLE, ASK_TEMPS, ASK_LEVEL };

static void ask(struct conversation *conversation, struct buf *out, enum question question)
{
	static const char *const texts[] = {
		[ASK_PATH] = "SHOW search_path",
		[ASK_SESSION_USER] = "SHOW session_authorization",
		[ASK_ROLE] = "SHOW role",
		[ASK_LEVEL] = "SHOW transaction_isolation",
		[ASK_TEMPS] = ("SELECT relname FROM pg_catalog.pg_class"
			       " WHERE relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()"),
	};
	parse_append(out, slice_str(HIDDEN_NAME), slice_str(texts[question]), (struct slice){ 0 });
	bind_append(out, HIDDEN_NAME, HIDDEN_NAME);
	execute_append(out, HIDDEN_NAME, 0);
	object_append(out, CLIENT_CLOSE, 'P', slice_str(HIDDEN_NAME));
	object_append(out, CLIENT_CLOSE, 'S', slice_str(HIDDEN_NAME));
	hidden_push(conversation, REQUEST_PARSE);
	hidden_push(conversation, REQUEST_BIND);
	hidden_push(conversation, REQUEST_EXECUTE)->statement = question;
	hidden_push(conversation, REQUEST_CLOSE_PORTAL);
	hidden_push(conversation, REQUEST_CLOSE_STATEMENT);
}

void hidden_start(struct conversation *conversation, struct round *round)
{
	struct buf *out = output_own(&round->to_server);
	conversation->exchange = EXCHANGE_SETTINGS;
	ask(conversation, out, ASK_PATH);
	if (!session_state_role_known(conversation->vars.confirmed)) {
		ask(conversation, out, ASK_SESSION_USER);
		ask(conversation, out, ASK_ROLE);
	}
	if (!session_state_temps_known(conversation->vars.confirmed))
		ask(conversation, out, ASK_TEMPS);
	if (conversation->snapshot == SNAPSHOT_ASK)
		ask(conversation, out, ASK_LEVEL);
	if (conversation->in_segment) {
		flush_append(out);
	} else {
		sync_append(out);
		hidden_push(conversation, REQUEST_SYNC);
	}
	conversation->hidden_temp_count = 0;
	conversation->hidden_failed = true; /* until all is known */
	traffic_add(&conversation->env->traffic->hidden_exchanges, 1);
}

/* Only names of the map can shadow any of it. */
static void take_temp(struct conversation *conversation, struct slice value)
{
	if (conversation->hidden_temp_count == HIDDEN_TEMPS_MAX || !conversation->ruleset ||
	    !ruleset_mentions(conversation->ruleset, value.data, value.len))
		return;
	if (!conversation->hidden_temps)
		conversation->hidden_temps = memory_zalloc(HIDDEN_TEMPS_MAX * sizeof(*conversation->hidden_temps));
	conversation->hidden_temps[conversation->hidden_temp_count++] = memory_copy(value.data, value.len);
}

static void forget_temps(struct conversation *conversation)
{
	for (size_t i = 0; i < conversation->hidden_temp_count; i++)
		free(conversation->hidden_temps[i]);
	free(conversation->hidden_temps);
	conversation->hidden_temps = NULL;
	conversation->hidden_temp_count = 0;
}

static void take_setting(struct conversation *conversation, enum question question, const char *value)
{
	struct session_state *state = conversation->vars.confirmed;
	conversation->vars.predicted_valid = false;
	switch (question) {
	case ASK_PATH:
		session_state_learnt_search_path(state, value);
		break;
	case ASK_SESSION_USER:
		free(conversation->hidden_user);
		conversation->hidden_user = memory_strdup(value);
		break;
	case ASK_ROLE:
		if (conversation->hidden_user)
			session_state_learnt_role(state, conversation->hidden_user, value);
		break;
	case ASK_LEVEL:
		conversation_level_told(conversation, strcmp(value, "repeatable read") == 0 || strcmp(value, "serializable") == 0);
		break;
	case ASK_TEMPS:
		break;
	}
}

static void take_value(struct conversation *conversation, struct slice body)
{
	enum question question = (enum question)conversation_head(conversation)->statement;
	struct slice value;
	if (!data_row_first(body, &value) || !value.data)
		return;
	if (question == ASK_TEMPS) {
		take_temp(conversation, value);
		return;
	}
	char *text = memory_copy(value.data, value.len);
	take_setting(conversation, question, text);
	free(text);
}

/* A list that cannot be read is as good as none; asking again would never end. */
static void answered(struct conversation *conversation, const struct request *execute)
{
	struct session_state *state = conversation->vars.confirmed;
	if (execute->kind != REQUEST_EXECUTE)
		return;
	if (execute->statement == ASK_TEMPS) {
		session_state_learnt_temps(state, (const char *const *)conversation->hidden_temps,
					   conversation->hidden_temp_count);
		conversation->vars.predicted_valid = false;
		forget_temps(conversation);
	}
	conversation->hidden_failed = !session_state_search_path(state);
}

/*
 * Inside a segment the server now skips until the client's Sync, and only an
 * error explains that to the client; between segments our own Sync follows.
 */
static bool on_error(struct conversation *conversation, struct slice body)
{
	struct error_fields fields = { 0 };
	bool fatal = error_fields_read(body, &fields) && error_fields_fatal(&fields);
	conversation->server_fatal |= fatal;
	forget_temps(conversation);
	conversation_abort_segment(conversation);
	if (slice_is(fields.sqlstate, SQLSTATE_QUERY_CANCELED) && !conversation->skipping)
		conversation->parking.cancelled = true; /* it was meant for the statement that waits */
	return fatal || conversation->skipping;
}

bool hidden_answer(struct conversation *conversation, const struct message *message)
{
	struct slice body = message_body(message);
	switch (message->type) {
	case SERVER_PARSE_COMPLETE:
	case SERVER_BIND_COMPLETE:
	case SERVER_CLOSE_COMPLETE:
		conversation_pop(conversation);
		return false;
	case SERVER_COMMAND_COMPLETE:
		answered(conversation, conversation_head(conversation));
		conversation_pop(conversation);
		return false;
	case SERVER_READY:
		conversation->segment_failed = false;
		conversation_pop(conversation);
		return false;
	case SERVER_DATA_ROW:
		take_value(conversation, body);
		return false;
	case SERVER_ERROR:
		return on_error(conversation, body);
	default:
		return true; /* notices, notifications, parameter status */
	}
}

void hidden_deinit(struct conversation *conversation)
{
	forget_temps(conversation);
	free(conversation->hidden_user);
	conversation->hidden_user = NULL;
}
