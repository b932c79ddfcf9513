/*
 * The hidden exchange: SHOW search_path, asked of the server between two
 * messages of the client (rewriting.md §1.5). By Parse/Bind/Execute under
 * reserved names, never by a Query, which would end an implicit transaction
 * and destroy the unnamed statement. Between segments it ends with a Sync and
 * leaves no trace; inside a segment with a Flush, for a Sync would end that.
 */
#include "proxy/conversation.h"

#include "wire/error_fields.h"

#include "base/memory.h"

#include <stdlib.h>

#define HIDDEN_NAME "crossfade_hidden"

static void push_hidden(struct conversation *conversation, enum request_kind kind)
{
	struct request *request = pipeline_push(&conversation->pipeline, kind);
	request->flags = REQUEST_HIDDEN;
	request->copy_ends = conversation->copy_ends;
}

void hidden_start(struct conversation *conversation, struct round *round)
{
	struct buf *out = output_own(&round->to_server);
	parse_append(out, slice_str(HIDDEN_NAME), slice_str("SHOW search_path"), (struct slice){ 0 });
	bind_append(out, HIDDEN_NAME, HIDDEN_NAME);
	execute_append(out, HIDDEN_NAME, 0);
	close_append(out, 'P', HIDDEN_NAME);
	close_append(out, 'S', HIDDEN_NAME);
	push_hidden(conversation, REQUEST_PARSE);
	push_hidden(conversation, REQUEST_BIND);
	push_hidden(conversation, REQUEST_EXECUTE);
	push_hidden(conversation, REQUEST_CLOSE_PORTAL);
	push_hidden(conversation, REQUEST_CLOSE_STATEMENT);
	if (conversation->in_segment) {
		flush_append(out);
	} else {
		sync_append(out);
		push_hidden(conversation, REQUEST_SYNC);
	}
	conversation->hidden_failed = true; /* until a value has come */
	traffic_add(&conversation->env->traffic->hidden_exchanges, 1);
}

static void take_value(struct conversation *conversation, struct slice body)
{
	struct slice value;
	if (!data_row_first(body, &value) || !value.data)
		return;
	char *text = memory_copy(value.data, value.len);
	session_vars_reported(&conversation->vars, "search_path", text);
	free(text);
	/* A list that cannot be read is as good as none; asking again would never end. */
	conversation->hidden_failed = !session_state_search_path(conversation->vars.confirmed);
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
	conversation_abort_segment(conversation);
	return fatal || conversation->skipping;
}

bool hidden_answer(struct conversation *conversation, const struct message *message)
{
	struct slice body = message_body(message);
	switch (message->type) {
	case SERVER_PARSE_COMPLETE:
	case SERVER_BIND_COMPLETE:
	case SERVER_CLOSE_COMPLETE:
	case SERVER_COMMAND_COMPLETE:
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
