#include "net/tls.h"

#include "base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

struct tls {
	SSL *ssl;
	struct tls_context *context;
	int fd;
	int error; /* -errno of the socket */
	bool secured, failed, socket_ended;
	bool drained; /* the last read of the socket brought less than it could have */
	bool more;    /* whole records have stayed behind here */
	bool at_end;
	ssize_t end; /* what the read said that met it */
	struct buf ahead;
	size_t ahead_at;
	char why[256];
};

/* ---- the socket, for OpenSSL ---- */

static int read_ahead(struct tls *tls, char *data, int size)
{
	size_t left = tls->ahead.len - tls->ahead_at, take = left < (size_t)size ? left : (size_t)size;
	memcpy(data, tls->ahead.data + tls->ahead_at, take);
	tls->ahead_at += take;
	if (tls->ahead_at == tls->ahead.len) {
		buf_deinit(&tls->ahead);
		tls->ahead_at = 0;
	}
	return (int)take;
}

static int on_failed(struct tls *tls, BIO *bio, int retry)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
	else
		tls->error = -errno;
	return -1;
}

static int bio_read(BIO *bio, char *data, int size)
{
	struct tls *tls = BIO_get_data(bio);
	ssize_t got;
	BIO_clear_retry_flags(bio);
	if (size <= 0)
		return 0;
	if (tls->ahead.len)
		return read_ahead(tls, data, size);
	do
		got = recv(tls->fd, data, (size_t)size, 0);
	while (got < 0 && errno == EINTR);
	tls->socket_ended = got == 0;
	tls->drained = got < size;
	return got < 0 ? on_failed(tls, bio, BIO_FLAGS_READ) : (int)got;
}

static int bio_write(BIO *bio, const char *data, int len)
{
	struct tls *tls = BIO_get_data(bio);
	ssize_t put;
	BIO_clear_retry_flags(bio);
	do
		put = send(tls->fd, data, (size_t)len, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	return put < 0 ? on_failed(tls, bio, BIO_FLAGS_WRITE) : (int)put;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	const struct tls *tls = BIO_get_data(bio);
	if (command == BIO_CTRL_EOF)
		return tls->socket_ended;
	return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static void make_method(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
	if (!method)
		memory_exhausted(0);
	BIO_meth_set_read(method, bio_read);
	BIO_meth_set_write(method, bio_write);
	BIO_meth_set_ctrl(method, bio_ctrl);
}

static void attach(struct tls *tls)
{
	pthread_once(&method_once, make_method);
	BIO *bio = BIO_new(method);
	if (!bio)
		memory_exhausted(0);
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->ssl, bio, bio);
}

/* ---- beginning and end ---- */

static bool is_numeric(const char *host)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static void prepare_connect(struct tls *tls, const char *host)
{
	SSL_SESSION *session = tls_context_take_session(tls->context);
	if (session)
		SSL_set_session(tls->ssl, session);
	SSL_SESSION_free(session);
	if (host && !is_numeric(host))
		SSL_set_tlsext_host_name(tls->ssl, host);
	SSL_set_connect_state(tls->ssl);
}

struct tls *tls_new(struct tls_context *context, int fd, const char *host, struct slice ahead)
{
	struct tls *tls = memory_zalloc(sizeof(*tls));
	tls->context = tls_context_ref(context);
	tls->fd = fd;
	tls->ssl = SSL_new(tls_context_ssl(context));
	if (!tls->ssl)
		memory_exhausted(0);
	attach(tls);
	buf_append_slice(&tls->ahead, ahead);
	if (tls_context_accepts(context))
		SSL_set_accept_state(tls->ssl);
	else
		prepare_connect(tls, host);
	return tls;
}

void tls_shutdown(struct tls *tls)
{
	if (!tls->secured || tls->failed)
		return;
	ERR_clear_error();
	SSL_shutdown(tls->ssl);
	ERR_clear_error();
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	if (!(SSL_get_shutdown(tls->ssl) & SSL_SENT_SHUTDOWN))
		tls_shutdown(tls);
	SSL_free(tls->ssl);
	tls_context_unref(tls->context);
	buf_deinit(&tls->ahead);
	free(tls);
}

/* ---- errors ---- */

static void note_why(struct tls *tls)
{
	unsigned long code = ERR_peek_error();
	long verified = SSL_get_verify_result(tls->ssl);
	const char *reason = ERR_reason_error_string(code);
	tls->failed = true;
	if (verified != X509_V_OK && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED)
		snprintf(tls->why, sizeof(tls->why), "certificate verify failed: %s",
			 X509_verify_cert_error_string(verified));
	else if (tls->error)
		snprintf(tls->why, sizeof(tls->why), "%s", strerror(-tls->error));
	else
		snprintf(tls->why, sizeof(tls->why), "%s", reason ? reason : "the peer closed the connection");
	ERR_clear_error();
}

const char *tls_why(const struct tls *tls)
{
	return tls->why;
}

enum tls_step tls_handshake(struct tls *tls)
{
	ERR_clear_error();
	int status = SSL_do_handshake(tls->ssl);
	if (status == 1) {
		tls->secured = true;
		tls->more = SSL_has_pending(tls->ssl); /* it may have said more than its part of the handshake */
		return TLS_SECURED;
	}
	switch (SSL_get_error(tls->ssl, status)) {
	case SSL_ERROR_WANT_READ:
		return TLS_WANTS_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANTS_WRITE;
	default:
		note_why(tls);
		return TLS_FAILED;
	}
}

/* ---- bytes ---- */

/* 0: the end; -EAGAIN; other -errno. */
static ssize_t outcome(struct tls *tls, int status)
{
	switch (SSL_get_error(tls->ssl, status)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		note_why(tls);
		return tls->error ? tls->error : -EPROTO;
	}
}

ssize_t tls_read(struct tls *tls, char *data, size_t size)
{
	size_t total = 0, got;
	if (tls->at_end)
		return tls->end;
	ERR_clear_error();
	tls->more = false;
	do {
		int status = SSL_read_ex(tls->ssl, data + total, size - total, &got);
		if (status != 1) {
			ssize_t why = outcome(tls, status);
			tls->at_end = why != -EAGAIN;
			tls->end = why;
			tls->more = false;
			return total ? (ssize_t)total : why;
		}
		total += got;
		tls->more = SSL_has_pending(tls->ssl);
	} while (size - total >= TLS_RECORD_BYTES && (tls->more || !tls->drained));
	return (ssize_t)total;
}

bool tls_has_more(const struct tls *tls)
{
	return tls->at_end || tls->more;
}

/* What a write did not take must come again as it was, at the next write's beginning. */
ssize_t tls_write(struct tls *tls, const char *data, size_t len)
{
	size_t total = 0, put;
	ERR_clear_error();
	while (total < len) {
		int status = SSL_write_ex(tls->ssl, data + total, len - total, &put);
		if (status != 1) {
			ssize_t why = outcome(tls, status);
			if (why == 0)
				why = -EPIPE;
			return why == -EAGAIN && total ? (ssize_t)total : why;
		}
		total += put;
	}
	return (ssize_t)total;
}

/* ---- what is known of the peer ---- */

const char *tls_version(const struct tls *tls)
{
	return SSL_get_version(tls->ssl);
}

bool tls_resumed(const struct tls *tls)
{
	return SSL_session_reused(tls->ssl);
}

bool tls_has_alpn(const struct tls *tls)
{
	const unsigned char *name;
	unsigned int len;
	SSL_get0_alpn_selected(tls->ssl, &name, &len);
	return slice_is(slice_of((const char *)name, len), TLS_ALPN);
}

/* libpq too takes an address written where a name belongs. */
bool tls_is_host(const struct tls *tls, const char *host)
{
	X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
	if (!certificate)
		return false;
	if (is_numeric(host) && X509_check_ip_asc(certificate, host, 0) == 1)
		return true;
	unsigned int flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | (is_numeric(host) ? X509_CHECK_FLAG_NO_WILDCARDS : 0);
	return X509_check_host(certificate, host, 0, flags, NULL) == 1;
}

void tls_append_peer_end_point(const struct tls *tls, struct buf *out)
{
	tls_append_end_point(SSL_get0_peer_certificate(tls->ssl), out);
	ERR_clear_error();
}

bool tls_peer_name(const struct tls *tls, char *name_out, size_t size)
{
	X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
	if (!certificate)
		return false;
	X509_NAME_oneline(X509_get_subject_name(certificate), name_out, (int)size);
	return true;
}
