/*
 * What bounds the number of sessions and the time they may do nothing: who is
 * one too many, who has waited too long, and how that is said.
 */
#include "proxy/session_parts.h"

#include "base/clock.h"

/* ---- how many ---- */

static bool refuse(struct session *session, enum close_reason reason, const char *message, const char *detail,
		   const char *hint)
{
	struct error error;
	error_set(&error, reason == CLOSE_OUT_OF_MEMORY ? SQLSTATE_OUT_OF_MEMORY : SQLSTATE_TOO_MANY_CONNECTIONS, "%s",
		  message);
	error_detail(&error, "%s", detail);
	error_hint(&error, "%s", hint);
	session_fail(session, reason, &error);
	return false;
}

void session_count_address(struct session *session)
{
	session->counted_address = !session->client_local && quota_take(session->worker->owner->addresses, session->address);
	session->over_address = !session->client_local && !session->counted_address;
}

void session_count_in(struct session *session)
{
	struct worker_owner *owner = session->worker->owner;
	if (!session->expects_header)
		session_count_address(session);
	session->over_limit = atomic_load(&owner->clients) > session_settings(session)->clients;
	session->unfinished = true;
	session->worker->unfinished++;
}

void session_login_is_over(struct session *session)
{
	if (!session->unfinished)
		return;
	session->unfinished = false;
	session->worker->unfinished--;
}

void session_count_out(struct session *session)
{
	struct worker_owner *owner = session->worker->owner;
	session_login_is_over(session);
	session->worker->unknown_cancels -= session->unknown_cancel;
	if (session->counted_address)
		quota_give(owner->addresses, session->address);
	if (session->counted_user)
		quota_give(owner->users, session->user);
}

bool session_has_room(struct session *session)
{
	const struct proxy_settings *settings = session_settings(session);
	char detail[128];
	if (session->over_limit) {
		snprintf(detail, sizeof(detail), "crossfade serves at most %u clients at once.", settings->clients);
		return refuse(session, CLOSE_TOO_MANY_CLIENTS, "sorry, too many clients already", detail,
			      "Close idle connections, or raise limits.clients.");
	}
	if (session->over_address) {
		snprintf(detail, sizeof(detail), "At most %u may come from one address.", settings->clients_per_address);
		return refuse(session, CLOSE_TOO_MANY_OF_ADDRESS, "too many connections from this address", detail,
			      "Close idle connections, or raise limits.clients_per_address.");
	}
	if (atomic_load(&session->worker->owner->memory_full))
		return refuse(session, CLOSE_OUT_OF_MEMORY, "crossfade takes no new connections: its memory is full",
			      "It uses more than limits.memory_bytes.", "Try again later, or raise limits.memory_bytes.");
	return true;
}

/* As in PostgreSQL, once it is certain who the user is. */
bool session_user_has_room(struct session *session)
{
	char message[160], detail[96];
	session->counted_user = quota_take(session->worker->owner->users, session->user);
	if (session->counted_user)
		return true;
	snprintf(message, sizeof(message), "too many connections for role \"%s\"", session->user);
	snprintf(detail, sizeof(detail), "At most %u may be one user's.", session_settings(session)->clients_per_user);
	return refuse(session, CLOSE_TOO_MANY_OF_USER, message, detail,
		      "Close idle connections, or raise limits.clients_per_user.");
}

/* Each costs the server a connection and a process, and needs no login. */
bool session_cancel_has_room(struct session *session)
{
	const struct proxy_settings *settings = session_settings(session);
	uint32_t share = (settings->unknown_cancels + settings->workers - 1) / settings->workers;
	if (share && session->worker->unknown_cancels >= share) {
		session_end(session, CLOSE_TOO_MANY_CANCELS);
		return false;
	}
	session->unknown_cancel = true;
	session->worker->unknown_cancels++;
	return true;
}

/* The client is to speak, and has not. */
static bool waits_for_client(const struct session *session)
{
	return session->phase == SESSION_STARTUP || (session->phase == SESSION_LOGIN && session->login->wants_answer);
}

/* The oldest goes: who means it logs in faster than a flood can push it out. */
void session_make_room(struct worker *worker, const struct session *newest)
{
	const struct proxy_settings *settings = worker->owner->settings;
	uint32_t share = (settings->unfinished_logins + settings->workers - 1) / settings->workers;
	if (!share || worker->unfinished <= share)
		return;
	LIST_FOR_EACH(link, &worker->starting)
	{
		struct session *session = LIST_ENTRY(link, struct session, timed);
		if (session == newest || !waits_for_client(session))
			continue;
		refuse(session, CLOSE_TOO_MANY_LOGINS, "too many unfinished logins",
		       "This one was the oldest of those that wait for their client.",
		       "If this is no attack, raise limits.unfinished_logins.");
		return;
	}
}

/* ---- how long ---- */

static uint32_t idle_limit(const struct session *session)
{
	const struct conversation *conversation = &session->conversation;
	const struct proxy_settings *settings = session_settings(session);
	if (session->phase != SESSION_RUNNING || !session_is_quiet(session) || conversation->hold != HOLD_NONE)
		return 0;
	return conversation->vars.ready == 'I' ? settings->idle_timeout_ms : settings->idle_transaction_timeout_ms;
}

void session_watch_idle(struct session *session)
{
	const struct proxy_settings *settings = session_settings(session);
	struct worker *worker = session->worker;
	if (!settings->idle_timeout_ms && !settings->idle_transaction_timeout_ms)
		return;
	link_remove(&session->idle);
	uint32_t limit_ms = idle_limit(session);
	if (!limit_ms)
		return;
	bool free = session->conversation.vars.ready == 'I';
	session->idle_until_us = clock_monotonic_us() + (uint64_t)limit_ms * 1000;
	link_append(free ? &worker->idle : &worker->idle_transaction, &session->idle);
	worker_watch_time(worker);
}

void session_on_idle(struct session *session)
{
	struct error error;
	bool free = session->conversation.vars.ready == 'I';
	if (free)
		error_set(&error, SQLSTATE_IDLE_SESSION_TIMEOUT, "terminating connection due to idle-session timeout");
	else
		error_set(&error, SQLSTATE_IDLE_TRANSACTION_TIMEOUT,
			  "terminating connection due to idle-in-transaction timeout");
	error_detail(&error, "limits.%s is %u ms.", free ? "idle_timeout" : "idle_transaction_timeout",
		     free ? session_settings(session)->idle_timeout_ms :
			    session_settings(session)->idle_transaction_timeout_ms);
	session_say_goodbye(session);
	session_fail(session, free ? CLOSE_IDLE_TIMEOUT : CLOSE_IDLE_TRANSACTION_TIMEOUT, &error);
}
