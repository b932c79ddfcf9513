/* What the files of a session (session*.c) share; nobody else includes this. */
#ifndef CROSSFADE_PROXY_SESSION_PARTS_H
#define CROSSFADE_PROXY_SESSION_PARTS_H

#include "proxy/session.h"

static inline const struct proxy_settings *session_settings(const struct session *session)
{
	return session->worker->owner->settings;
}

/* ---- session.c ---- */

extern const struct stream_callbacks session_server_callbacks;

/* ---- session_startup.c ---- */

void session_on_startup(struct session *session, const char *data, size_t len);
void session_connect_server(struct session *session);
/* The connection to the server carries messages. */
void session_server_ready(struct session *session);
/* The server's first ReadyForQuery came. */
void session_finish_login(struct session *session);

/* ---- session_tls.c ---- */

/* Whether an SSLRequest of the client is answered with yes. */
bool session_offers_tls(const struct session *session);
/* The first bytes of a connection are TLS at once; data: at least one byte. */
bool session_is_direct_tls(const struct session *session, const char *data);
void session_secure_client(struct session *session, struct slice ahead);
void session_on_client_secured(struct stream *stream);
/* True: that is why the stream broke, and the session is over. */
bool session_client_tls_failed(struct session *session);
/* False: only encrypted connections are taken, and this is none; the session is over. */
bool session_may_be_plain(struct session *session);

/* False: the server connection stays plain. */
bool session_asks_server_for_tls(struct session *session);
void session_on_tls_answer(struct session *session, const char *data, size_t len);
void session_on_server_secured(struct stream *stream);
/* True: that is why the stream broke; the session is over, or tries without TLS. */
bool session_server_tls_failed(struct session *session);
/* The server's first words are a refusal. True: another attempt without TLS is being made. */
bool session_tries_plain(struct session *session);

/* ---- session_limits.c ---- */

void session_count_in(struct session *session);
/* Once it is known: a load balancer may tell it. */
void session_count_address(struct session *session);
void session_count_out(struct session *session);
/* The client has done its part, or is gone. */
void session_login_is_over(struct session *session);
/* False: one too many; the session is over. */
bool session_has_room(struct session *session);
bool session_user_has_room(struct session *session);
/* A cancel request with a key of another process. False: one too many; the session is over. */
bool session_cancel_has_room(struct session *session);
/* Ends another's login where too many are unfinished. */
void session_make_room(struct worker *worker, const struct session *newest);
/* After something has happened: the time without anything begins anew. */
void session_watch_idle(struct session *session);

/* ---- session_flow.c ---- */

/* The server has sent so much more. */
void session_note_flow(struct session *session, size_t got);
/* It sends no more for now, or nobody reads. */
void session_stop_flow(struct session *session);

/* ---- session_auth.c ---- */

/* False: not with this `auth` on this connection; the session is over. */
bool session_may_log_in(struct session *session);
/* The server is reached, and has not spoken yet. */
void session_begin_auth(struct session *session);
/* Begins the slow steps that the login waits for. */
void session_serve_login(struct session *session);

/* ---- session_relay.c ---- */

struct round session_begin_round(struct session *session);
void session_write_round(struct session *session, const struct round *round);
/* What the server said and had to wait. */
void session_resume_server(struct session *session);

/* Reads behind what is left of the last round; *data_out and *len_out are all that is there. */
ssize_t session_read(struct session *session, struct stream *stream, struct buf *rest, char **data_out,
		     size_t *len_out);
/* Keeps what was not taken; data is the worker's buffer or rest itself. */
void session_keep_rest(struct buf *rest, const char *data, size_t len, size_t taken);
void session_from_client(struct session *session, char *data, size_t len);
void session_from_server(struct session *session, char *data, size_t len);
/* Bytes of the client that had to wait; may leave some of them waiting on. */
void session_resume_client(struct session *session);
/* What a round has brought about besides bytes; false: the session is over. */
bool session_after_round(struct session *session);
void session_update_reading(struct session *session);
/* Nothing is on its way in either direction. */
bool session_is_quiet(const struct session *session);

/* ---- session_gate.c ---- */

/* The client has closed its side while nobody read: it may have said goodbye behind what is parked. */
void session_on_client_leaving(struct session *session);

/* ---- session_end.c ---- */

enum { SESSION_LINGER_MS = 2000 };

void session_set_deadline(struct session *session, struct list_link *list, uint32_t in_ms);
void session_untime(struct session *session);
/* At once, without a word. */
void session_end(struct session *session, enum close_reason reason);
/* Once the client has what was meant for it. */
void session_finish(struct session *session, enum close_reason reason);
/* With a last word to the client, where one fits in. */
void session_fail(struct session *session, enum close_reason reason, const struct error *error);
void session_fail_violation(struct session *session, enum violation violation, const char *text);
void session_fail_shutdown(struct session *session);
/* A server that learns that its client is gone need not find out by itself. */
void session_say_goodbye(struct session *session);
/* The pieces of the above: the first reason counts (false: there was one before). */
bool session_note_reason(struct session *session, enum close_reason reason);
void session_linger(struct session *session);
void session_close_streams(struct session *session);
void session_on_stream_closed(struct stream *stream);
void session_on_lingering(struct session *session, ssize_t got);
void session_on_linger_deadline(struct session *session);
/* Draining, and no transaction is open. */
bool session_may_drain(const struct session *session);

#endif
