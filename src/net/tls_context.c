#include "net/tls_context.h"

#include "auth/secret_file.h"
#include "base/memory.h"
#include "base/ref.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdlib.h>

enum { SESSIONS_KEPT = 16 };

static const unsigned char alpn[] = "\x0a" TLS_ALPN; /* its length, then the name */

struct tls_context {
	struct ref ref;
	SSL_CTX *ssl;
	bool accepts;
	struct buf end_point;
	pthread_mutex_t lock; /* of sessions: to be resumed, each once */
	SSL_SESSION *sessions[SESSIONS_KEPT];
	size_t session_count;
};

/* ---- errors ---- */

/* The oldest one is the cause; those after it say only where it was met, such as "system lib". */
static const char *cause(void)
{
	unsigned long code = ERR_peek_error();
	if (ERR_SYSTEM_ERROR(code))
		return strerror(ERR_GET_REASON(code));
	const char *reason = ERR_reason_error_string(code);
	return reason ? reason : "unknown error";
}

static bool fail(struct error *error_out, const char *path, const char *what)
{
	error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "%s: %s", what, cause());
	if (path)
		error_at(error_out, path, 0, 0);
	ERR_clear_error();
	return false;
}

/* ---- sessions to resume ---- */

/* Takes the reference: 1 tells OpenSSL so. */
static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	SSL_SESSION *oldest = NULL;
	pthread_mutex_lock(&context->lock);
	if (context->session_count == SESSIONS_KEPT) {
		oldest = context->sessions[0];
		memmove(context->sessions, context->sessions + 1, (SESSIONS_KEPT - 1) * sizeof(oldest));
		context->session_count--;
	}
	context->sessions[context->session_count++] = session;
	pthread_mutex_unlock(&context->lock);
	SSL_SESSION_free(oldest);
	return 1;
}

SSL_SESSION *tls_context_take_session(struct tls_context *context)
{
	SSL_SESSION *session = NULL;
	pthread_mutex_lock(&context->lock);
	if (context->session_count)
		session = context->sessions[--context->session_count];
	pthread_mutex_unlock(&context->lock);
	return session;
}

/* ---- making ---- */

/* A key that asks for a passphrase has nobody to ask. */
static int no_passphrase(char *text, int size, int writing, void *context)
{
	return 0;
}

static bool init_common(struct tls_context *context, struct error *error_out)
{
	SSL_CTX *ssl = context->ssl;
	SSL_CTX_set_app_data(ssl, context);
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
					 SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ssl, 1); /* or each record takes two reads: of its head, and of the rest */
	SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
	return SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1 || fail(error_out, NULL, "TLS 1.2");
}

static bool load_certificate(struct tls_context *context, const struct tls_settings *settings,
			     struct error *error_out)
{
	if (!plain_file_check(settings->cert, "the certificate", error_out))
		return false;
	ERR_clear_error(); /* of another connection on this thread */
	if (SSL_CTX_use_certificate_chain_file(context->ssl, settings->cert) != 1)
		return fail(error_out, settings->cert, "cannot load the certificate");
	if (!secret_file_check(settings->key, "the private key", error_out))
		return false;
	if (SSL_CTX_use_PrivateKey_file(context->ssl, settings->key, SSL_FILETYPE_PEM) == 1)
		return true;
	bool mismatch = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH;
	return fail(error_out, settings->key,
		    mismatch ? "the private key does not belong to the certificate" : "cannot load the private key");
}

static bool load_authorities(struct tls_context *context, const char *path, struct error *error_out)
{
	if (strcmp(path, TLS_SYSTEM_AUTHORITIES) == 0)
		return SSL_CTX_set_default_verify_paths(context->ssl) == 1 ||
		       fail(error_out, NULL, "cannot load the machine's certificate authorities");
	return plain_file_check(path, "the file of certificate authorities", error_out) &&
	       (SSL_CTX_load_verify_locations(context->ssl, path, NULL) == 1 ||
		fail(error_out, path, "cannot load the certificate authorities"));
}

static int verify_mode(enum tls_verify verify)
{
	if (verify == TLS_VERIFY_NONE)
		return SSL_VERIFY_NONE;
	return verify == TLS_VERIFY_REQUIRE ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_PEER;
}

static bool load_files(struct tls_context *context, const struct tls_settings *settings, struct error *error_out)
{
	SSL_CTX_set_verify(context->ssl, verify_mode(settings->verify), NULL);
	return (!settings->cert || load_certificate(context, settings, error_out)) &&
	       (!settings->ca || load_authorities(context, settings->ca, error_out));
}

/* A client that offers protocols, but not ours, wants to speak to somebody else. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *offered,
		       unsigned int offered_len, void *context)
{
	unsigned char *chosen;
	if (SSL_select_next_proto(&chosen, out_len, alpn, sizeof(alpn) - 1, offered, offered_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* Sessions are resumed from tickets that the clients keep; we keep nothing. */
static void init_accepting(struct tls_context *context, const struct tls_settings *settings)
{
	static const unsigned char id[] = "crossfade";
	SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(context->ssl, id, sizeof(id) - 1);
	SSL_CTX_set_num_tickets(context->ssl, 1);
	if (settings->secret)
		SSL_CTX_set_options(context->ssl, SSL_OP_CLEANSE_PLAINTEXT);
	SSL_CTX_set_alpn_select_cb(context->ssl, choose_alpn, NULL);
	if (settings->ca)
		SSL_CTX_set_client_CA_list(context->ssl, SSL_load_client_CA_file(settings->ca));
	tls_append_end_point(SSL_CTX_get0_certificate(context->ssl), &context->end_point);
	ERR_clear_error();
}

static void init_connecting(struct tls_context *context)
{
	SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context->ssl, on_new_session);
	SSL_CTX_set_alpn_protos(context->ssl, alpn, sizeof(alpn) - 1);
}

static struct tls_context *make(const SSL_METHOD *method)
{
	struct tls_context *context = memory_zalloc(sizeof(*context));
	ref_init(&context->ref);
	pthread_mutex_init(&context->lock, NULL);
	context->ssl = SSL_CTX_new(method);
	if (!context->ssl)
		memory_exhausted(0);
	return context;
}

bool tls_context_accepting(const struct tls_settings *settings, struct tls_context **context_out,
			   struct error *error_out)
{
	struct tls_context *context = make(TLS_server_method());
	context->accepts = true;
	if (!init_common(context, error_out) || !load_files(context, settings, error_out)) {
		tls_context_unref(context);
		return false;
	}
	init_accepting(context, settings);
	*context_out = context;
	return true;
}

bool tls_context_connecting(const struct tls_settings *settings, struct tls_context **context_out,
			    struct error *error_out)
{
	struct tls_context *context = make(TLS_client_method());
	if (!init_common(context, error_out) || !load_files(context, settings, error_out)) {
		tls_context_unref(context);
		return false;
	}
	init_connecting(context);
	*context_out = context;
	return true;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
	ref_take(&context->ref);
	return context;
}

void tls_context_unref(struct tls_context *context)
{
	if (!context || !ref_drop(&context->ref))
		return;
	for (size_t i = 0; i < context->session_count; i++)
		SSL_SESSION_free(context->sessions[i]);
	SSL_CTX_free(context->ssl);
	buf_deinit(&context->end_point);
	pthread_mutex_destroy(&context->lock);
	free(context);
}

struct slice tls_context_end_point(const struct tls_context *context)
{
	return buf_slice(&context->end_point);
}

SSL_CTX *tls_context_ssl(struct tls_context *context)
{
	return context->ssl;
}

bool tls_context_accepts(const struct tls_context *context)
{
	return context->accepts;
}

/* RFC 5929: the digest of the certificate's signature, but SHA-256 where that one is MD5 or SHA-1. */
void tls_append_end_point(X509 *certificate, struct buf *out)
{
	int digest = NID_undef;
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int len;
	if (!certificate || X509_get_signature_info(certificate, &digest, NULL, NULL, NULL) != 1)
		return;
	if (digest == NID_md5 || digest == NID_sha1)
		digest = NID_sha256;
	const EVP_MD *type = EVP_get_digestbynid(digest);
	if (type && X509_digest(certificate, type, hash, &len) == 1)
		buf_append(out, hash, len);
}
