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
	conversation->parking.again = true;
	go_on(session);
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
