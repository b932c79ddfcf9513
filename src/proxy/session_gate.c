/* A session at the gate: what was parked goes on, is let through, or is cancelled. */
#include "proxy/session_parts.h"

static void go_on(struct session *session)
{
	session_resume_client(session);
	if (session_after_round(session))
		session_update_reading(session);
}

void session_on_gate(struct session *session)
{
	struct conversation *conversation = &session->conversation;
	if (session->phase != SESSION_RUNNING || conversation->hold != HOLD_PAUSE)
		return;
	conversation_unpause(conversation);
	go_on(session);
}

enum { FAREWELL_READ_BYTES = 64 * 1024 }; /* that much is read behind what is parked, to find a goodbye */

/* Reads what is left, without taking any of it; true: that was all. */
static bool read_to_end(struct session *session)
{
	struct buf *rest = &session->client_rest;
	while (rest->len < FAREWELL_READ_BYTES + session->conversation.parking.bytes) {
		char *data;
		size_t len;
		ssize_t got = session_read(session, &session->client, rest, &data, &len);
		if (got <= 0)
			return got == 0;
		session_keep_rest(rest, data, len, 0);
	}
	return false;
}

static bool ends_with_goodbye(const struct buf *rest)
{
	static const char goodbye[] = { CLIENT_TERMINATE, 0, 0, 0, 4 };
	return rest->len >= sizeof(goodbye) &&
	       memcmp(rest->data + rest->len - sizeof(goodbye), goodbye, sizeof(goodbye)) == 0;
}

/* Nobody waits for the answer any more, and nothing of it has run. */
void session_on_client_leaving(struct session *session)
{
	if (session->phase != SESSION_RUNNING || !parking_is_parked(&session->conversation) || !read_to_end(session) ||
	    !ends_with_goodbye(&session->client_rest))
		return;
	session_say_goodbye(session);
	session_end(session, CLOSE_CLIENT_TERMINATED);
}

void session_let_through(struct session *session)
{
	if (session->phase != SESSION_RUNNING)
		return;
	session->conversation.parking.let_through = true;
	session_on_gate(session);
}

bool session_cancel_parked(struct session *session)
{
	if (session->phase != SESSION_RUNNING || !parking_cancel(&session->conversation))
		return false;
	go_on(session);
	return true;
}
