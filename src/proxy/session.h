/*
 * One client connection and its server connection, from accept to the end:
 * moves bytes between the sockets and the protocol code (login.h,
 * conversation.h), bounds what is kept of them, and decides how it ends.
 *
 *   STARTUP → CONNECTING → LOGIN → RUNNING (or RELAY) → LINGERING → gone
 *   STARTUP → CANCELLING → gone
 */
#ifndef CROSSFADE_PROXY_SESSION_H
#define CROSSFADE_PROXY_SESSION_H

#include "net/connector.h"
#include "net/stream.h"
#include "proxy/login.h"
#include "proxy/security.h"
#include "proxy/worker.h"

enum session_phase {
	SESSION_STARTUP,    /* waiting for a startup packet */
	SESSION_CONNECTING, /* to the server */
	SESSION_LOGIN,
	SESSION_RUNNING,
	SESSION_RELAY,	    /* replication: bytes only */
	SESSION_CANCELLING, /* a cancel request is being passed on */
	SESSION_LINGERING,  /* ended; the client still gets its last message */
	SESSION_GONE,
};

/* How far the server connection is from carrying messages. */
enum server_leg {
	SERVER_LEG_NONE,     /* not connected, or not begun */
	SERVER_LEG_ASKED,    /* for TLS */
	SERVER_LEG_SECURING,
	SERVER_LEG_AGAIN,    /* closing, to be opened once more without TLS */
	SERVER_LEG_READY,
};

struct session {
	struct list_link link;	/* in worker.sessions */
	struct list_link idle; /* in worker.idle or worker.idle_transaction, by idle_until_us */
	uint64_t idle_until_us;
	struct list_link timed; /* in one of the worker's lists by deadline */
	uint64_t deadline_us;
	struct worker *worker;
	uint64_t id, began_us;
	enum session_phase phase;
	enum close_reason reason;
	bool over_limit, over_address, counted_address, counted_user;
	bool unfinished; /* the login; counted in worker.unfinished */
	bool unknown_cancel; /* counted in worker.unknown_cancels */
	bool client_ended, encryption_answered[2], logged;
	bool client_local; /* on a unix socket */
	bool direct_tls;   /* the client began with it */
	bool server_plain; /* TLS was tried, and without it is fine */
	bool verifier_asked, keys_asked; /* slow steps of the login that were begun */
	enum server_leg server_leg;
	struct security *security; /* as it was when the session began; NULL: none */
	unsigned open_streams;
	struct stream client, server;
	struct buf client_rest, server_rest; /* bytes read and not yet taken */
	struct conversation conversation;
	struct login *login; /* until RUNNING */
	struct connector *connector;
	struct address server_address;
	struct cancel_entry *cancel;
	struct buf cancel_packet; /* the client's, until the server is reached */
	uint64_t bytes_from_client, bytes_from_server;
	struct list_link flowing; /* in worker.flowing: a large result is on its way (session_flow.c) */
	uint64_t flow_bytes, flowed_us;
	uint32_t server_pid; /* as the server called it at login; 0: it did not */
	size_t lingering_bytes; /* unsent when the present deadline was set */
	const char *app; /* the listener's */
	bool expects_header; /* of the PROXY protocol, before anything else */
	char *user, *database;
	char address[ADDRESS_TEXT_BYTES];
};

/* Takes the descriptor over. */
void session_begin(struct worker *worker, int fd, const struct address *peer, struct proxy_listener listener);
/* The worker's lists of deadlines: the session is not in its list any more. */
void session_on_deadline(struct session *session);
/* Nor in the list of idle ones. */
void session_on_idle(struct session *session);
/* Rules were published for some database. */
void session_on_rules(struct session *session, struct worker_rules *rules);
/* A pause began or ended: what was parked may go on. */
void session_on_gate(struct session *session);
/* Somebody waits for this session: until its transaction ends no pause holds it up. */
void session_let_through(struct session *session);
/* True: the statement that a pause holds up fails; false: a cancel request is for the server. */
bool session_cancel_parked(struct session *session);
/* What became of the cancel request that this session brought. */
void session_on_cancel_answer(struct session *session, bool done);
/* The long text it waited for; takes the result over. */
void session_on_parsed(struct session *session, struct rewrite *rewrite);
/* FATAL 57P01 as soon as no transaction is open; at once. */
void session_drain(struct session *session);
void session_stop(struct session *session);

#endif
