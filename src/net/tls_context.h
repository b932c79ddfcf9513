/*
 * What all TLS connections of one side share: certificate, key, authorities,
 * and whom to believe. Never changes once made; a reload makes another one,
 * and connections keep the one they began with.
 */
#ifndef CROSSFADE_NET_TLS_CONTEXT_H
#define CROSSFADE_NET_TLS_CONTEXT_H

#include "base/buf.h"
#include "base/error.h"

struct ssl_ctx_st;
struct ssl_session_st;
struct x509_st;

struct tls_context;

enum tls_verify {
	TLS_VERIFY_NONE,
	TLS_VERIFY_OPTIONAL, /* a peer without a certificate is fine, one with a wrong one is not */
	TLS_VERIFY_REQUIRE,
};

#define TLS_SYSTEM_AUTHORITIES "system" /* in place of a file: those of the machine */
#define TLS_ALPN "postgresql"

/* Paths may be NULL, but for cert and key of who accepts. */
struct tls_settings {
	const char *cert, *key, *ca;
	enum tls_verify verify;
	bool secret; /* what arrives may be a password: OpenSSL keeps no copy of it */
};

/* For connections that others open to us, and for those that we open. */
bool tls_context_accepting(const struct tls_settings *settings, struct tls_context **context_out,
			   struct error *error_out);
bool tls_context_connecting(const struct tls_settings *settings, struct tls_context **context_out,
			    struct error *error_out);
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context);

/*
 * What channel binding of type tls-server-end-point binds to: a hash of the
 * certificate that we show. Empty when its signature has no digest.
 */
struct slice tls_context_end_point(const struct tls_context *context);

/* ---- for tls.c ---- */

struct ssl_ctx_st *tls_context_ssl(struct tls_context *context);
bool tls_context_accepts(const struct tls_context *context);
/* A session to resume; NULL: none. The caller's. */
struct ssl_session_st *tls_context_take_session(struct tls_context *context);
void tls_append_end_point(struct x509_st *certificate, struct buf *out);

#endif
