/*
 * What a client has proved to know and its server connection logs in with:
 * a password, or the keys of SCRAM and the verifier they belong to. A secret
 * as a whole; it lives until the login is over.
 */
#ifndef CROSSFADE_PROXY_CREDENTIALS_H
#define CROSSFADE_PROXY_CREDENTIALS_H

#include "auth/scram_client.h"

/* Who checks passwords. */
enum auth_mode {
	AUTH_PASSTHROUGH, /* the server, through us */
	AUTH_PASSWORD,	  /* the server, with the password that the client gave us inside TLS */
	AUTH_SCRAM,	  /* we do, against a copy of the server's verifier */
};

struct credentials {
	bool has_keys;
	struct scram_verifier verifier;
	struct scram_login_keys keys;
	struct buf password; /* with its NUL; without data: none */
};

static inline void credentials_deinit(struct credentials *credentials)
{
	secret_buf_deinit(&credentials->password);
	secret_wipe(credentials, sizeof(*credentials));
}

#endif
