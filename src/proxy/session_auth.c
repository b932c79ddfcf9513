/*
 * The slow steps of a login that crossfade itself takes part in: a verifier
 * asked of the server, and keys derived from a password. Both are done on
 * other threads; what comes back finds its session by number, or finds that
 * it has gone.
 */
#include "proxy/session_parts.h"

#include "base/memory.h"

#include <stdlib.h>

/* Only among those that are still logging in. */
static struct session *find_session(struct worker *worker, uint64_t id)
{
	LIST_FOR_EACH(link, &worker->starting)
	{
		struct session *session = LIST_ENTRY(link, struct session, timed);
		if (session->id == id && session->phase == SESSION_LOGIN)
			return session;
	}
	return NULL;
}

static struct slice no_end_point(void)
{
	return slice_of(NULL, 0);
}

void session_begin_auth(struct session *session)
{
	const struct security *security = session->security;
	struct buf server_end_point;
	if (!security)
		return;
	buf_init(&server_end_point);
	if (session->server.tls)
		tls_append_peer_end_point(session->server.tls, &server_end_point);
	struct login_channel channel = {
		.client_end_point = session->client.tls ? tls_context_end_point(security->client) : no_end_point(),
		.server_end_point = buf_slice(&server_end_point),
		.client_secure = session->client.tls != NULL,
		.server_secure = session->server.tls != NULL,
		.server_private = session->server.tls || address_is_unix(&session->server_address),
	};
	login_secure(session->login, security->auth, security->users, security->asks_server, &channel);
	buf_deinit(&server_end_point);
}

bool session_may_log_in(struct session *session)
{
	struct error error;
	const struct security *security = session->security;
	if (!security || security->auth == AUTH_PASSTHROUGH)
		return true;
	if (security->auth == AUTH_PASSWORD && !session->client.tls && !session->client_local) {
		error_set(&error, SQLSTATE_INVALID_AUTHORIZATION, "crossfade takes passwords over encrypted connections only");
		error_detail(&error, "`auth` is password, and this connection is not encrypted.");
		error_hint(&error, "Connect with sslmode=require; client_tls.mode must be allow or require.");
		session_fail(session, CLOSE_TLS_REQUIRED, &error);
		return false;
	}
	if (session->login->foreign) {
		error_set(&error, SQLSTATE_FEATURE_NOT_SUPPORTED, "unsupported frontend protocol %u.%u: crossfade supports 3.x",
			  session->login->startup.major, session->login->startup.minor);
		session_fail(session, CLOSE_STARTUP_INVALID, &error);
		return false;
	}
	return true;
}

/* The login moved on by itself: what it says goes out, and what had to wait is looked at again. */
static void go_on(struct session *session, struct round *round)
{
	session_write_round(session, round);
	session_resume_server(session);
	if (session_after_round(session))
		session_update_reading(session);
}

/* ---- verifiers ---- */

struct proxy_asker {
	struct inbox_task task;
	struct worker *worker;
	uint64_t session;
	bool failed, found;
	struct error error;
	struct scram_verifier verifier;
};

static void take_verifier(struct session *session, const struct proxy_asker *asker)
{
	if (asker->failed) {
		struct error error = asker->error;
		error_set(&error, SQLSTATE_CONNECTION_FAILURE, "crossfade could not ask the server for the user's verifier");
		error_detail(&error, "%s", asker->error.message);
		error_hint(&error, "Does auth_query work for the role of admin.dsn?");
		session_fail(session, CLOSE_AUTH_FAILED, &error);
		return;
	}
	struct round round = session_begin_round(session);
	login_verifier(session->login, asker->found ? &asker->verifier : NULL, &round);
	go_on(session, &round);
}

static void run_answer(struct inbox_task *task)
{
	struct proxy_asker *asker = (struct proxy_asker *)task;
	struct session *session = asker->worker->ended ? NULL : find_session(asker->worker, asker->session);
	if (session && session->login->wants_verifier)
		take_verifier(session, asker);
	secret_wipe(&asker->verifier, sizeof(asker->verifier));
	free(asker);
}

void proxy_answer_verifier(struct proxy_asker *asker, const char *verifier, const struct error *error)
{
	asker->failed = error != NULL;
	if (error)
		asker->error = *error;
	asker->found = verifier && scram_verifier_parse(slice_str(verifier), &asker->verifier);
	inbox_post(&asker->worker->loop.inbox, &asker->task);
}

static void ask_for_verifier(struct session *session)
{
	const struct proxy_callbacks *callbacks = &session->worker->owner->callbacks;
	struct proxy_asker *asker = memory_zalloc(sizeof(*asker));
	asker->task.run = run_answer;
	asker->worker = session->worker;
	asker->session = session->id;
	callbacks->find_verifier(callbacks->context, session->user, asker);
}

/* ---- keys ---- */

struct derivation {
	uv_work_t request;
	struct worker *worker;
	uint64_t session;
	struct server_auth_work work;
};

static void derive(uv_work_t *request)
{
	struct derivation *derivation = request->data;
	server_auth_derive(&derivation->work);
}

static void on_derived(uv_work_t *request, int status)
{
	struct derivation *derivation = request->data;
	struct session *session = find_session(derivation->worker, derivation->session);
	if (session && session->login->wants_keys) {
		struct round round = session_begin_round(session);
		login_finish_work(session->login, &derivation->work, &round);
		go_on(session, &round);
	}
	server_auth_work_deinit(&derivation->work);
	free(derivation);
}

static void derive_keys(struct session *session)
{
	struct derivation *derivation = memory_zalloc(sizeof(*derivation));
	derivation->request.data = derivation;
	derivation->worker = session->worker;
	derivation->session = session->id;
	login_take_work(session->login, &derivation->work);
	if (uv_queue_work(&session->worker->loop.uv, &derivation->request, derive, on_derived) < 0)
		memory_exhausted(sizeof(*derivation));
}

/* ---- */

void session_serve_login(struct session *session)
{
	struct login *login = session->login;
	if (login->wants_verifier && !session->verifier_asked) {
		session->verifier_asked = true;
		ask_for_verifier(session);
	}
	if (login->wants_keys && !session->keys_asked) {
		session->keys_asked = true;
		derive_keys(session);
	}
}
