/*
 * A session between its startup packet and the server's first ReadyForQuery,
 * on plain buffers: authentication passes through both ways, the server's
 * words are learned on the way. Of the client only one message passes for each
 * authentication request of the server; what it sends ahead waits.
 *
 * With an `auth` of its own crossfade stands in between: the server's first
 * question waits until the client has proved who it is to us, and is then
 * answered with what that proof gave us.
 */
#ifndef CROSSFADE_PROXY_LOGIN_H
#define CROSSFADE_PROXY_LOGIN_H

#include "proxy/client_auth.h"
#include "proxy/conversation.h"
#include "proxy/server_auth.h"
#include "auth/users.h"
#include "wire/startup.h"

struct login {
	struct buf packet; /* the startup packet, sent on byte for byte */
	struct startup_packet startup;
	size_t client_pass, server_pass;
	bool foreign;	   /* another protocol version: only the server's refusal passes */
	bool wants_answer; /* the server waits for the client */
	bool spoke;	   /* the server has said something that was passed on */
	bool ready;	   /* the session begins: what follows is for the conversation */
	bool fatal;	   /* the server said why it refuses */
	uint32_t pid;
	struct slice key; /* in key_bytes; without data: none came */
	char key_bytes[CANCEL_KEY_MAX_BYTES];
	struct error error; /* of a violation */
	enum violation violation;
	bool refused; /* the violation is a login that failed */

	bool binding_fails; /* TLS on both sides: what the client would bind to is not what the server has */
	struct client_auth *client_auth; /* NULL: the server asks the client */
	struct server_auth *server_auth;
	bool asked;	       /* the client has our question */
	bool wants_verifier;   /* of the server, through login_verifier */
	bool wants_keys;       /* login_take_work, login_finish_work */
	bool asks_server;
};

struct login_channel {
	struct slice client_end_point; /* what the client may bind to; without data: nothing */
	struct slice server_end_point;
	bool client_secure, server_secure; /* by TLS */
	bool server_private; /* nobody on the way to the server can read */
};

/* packet: complete, as startup_parse has found it. */
struct login *login_new(struct slice packet);
void login_free(struct login *login);

/* Before the server's first word. users: with AUTH_SCRAM, borrowed during the call. */
void login_secure(struct login *login, enum auth_mode mode, const struct users *users, bool asks_server,
		  const struct login_channel *channel);
/* What wants_verifier waited for; NULL: the server has no such user. */
void login_verifier(struct login *login, const struct scram_verifier *verifier, struct round *round);
void login_take_work(struct login *login, struct server_auth_work *work_out);
void login_finish_work(struct login *login, const struct server_auth_work *work, struct round *round);
/* The server's words had to wait for the client's proof, which has come. */
bool login_server_may_go_on(const struct login *login);

/* Both return the bytes taken and set violation and error when they must not go on. */
size_t login_from_client(struct login *login, const char *data, size_t len, struct round *round);
size_t login_from_server(struct login *login, struct conversation *conversation, const char *data, size_t len,
			 struct round *round);

/* What the session's settings are at first, as far as it and the facts tell. */
struct session_state *login_session_state(const struct login *login, const struct ruleset *ruleset);

#endif
