/*
 * A session between its startup packet and the server's first ReadyForQuery,
 * on plain buffers: authentication passes through both ways, the server's
 * words are learned on the way. Of the client only one message passes for each
 * authentication request of the server; what it sends ahead waits.
 */
#ifndef CROSSFADE_PROXY_LOGIN_H
#define CROSSFADE_PROXY_LOGIN_H

#include "proxy/conversation.h"
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
};

/* packet: complete, as startup_parse has found it. */
struct login *login_new(struct slice packet);
void login_free(struct login *login);

/* Both return the bytes taken and set violation and error when they must not go on. */
size_t login_from_client(struct login *login, const char *data, size_t len, struct round *round);
size_t login_from_server(struct login *login, struct conversation *conversation, const char *data, size_t len,
			 struct round *round);

/* What the session's settings are at first, as far as it and the facts tell. */
struct session_state *login_session_state(const struct login *login, const struct ruleset *ruleset);

#endif
