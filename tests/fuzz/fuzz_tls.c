/* The first bytes of a connection that begins with TLS: a handshake that never fits, and must end or wait. */
#include "../unit/net/certificates.h"
#include "fuzz.h"
#include "net/tls.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct tls_context *context;

static void make_context(void)
{
	char folder[] = "/tmp/cf-fuzz-XXXXXX", cert[64], key[64];
	struct error error;
	if (!mkdtemp(folder))
		abort();
	certificates_make(folder, "server", "localhost");
	snprintf(cert, sizeof(cert), "%s/server.crt", folder);
	snprintf(key, sizeof(key), "%s/server.key", folder);
	struct tls_settings settings = { .cert = cert, .key = key, .ca = cert, .verify = TLS_VERIFY_OPTIONAL };
	if (!tls_context_accepting(&settings, &context, &error))
		abort();
	certificates_remove(folder, "server");
	rmdir(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int pair[2];
	if (!context)
		make_context();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
		abort();
	struct tls *tls = tls_new(context, pair[0], NULL, slice_of((const char *)data, size));
	enum tls_step step = tls_handshake(tls);
	for (int i = 0; i < 4 && (step == TLS_WANTS_READ || step == TLS_WANTS_WRITE); i++)
		step = tls_handshake(tls);
	if (step == TLS_SECURED)
		abort(); /* without a key exchange */
	close(pair[1]);
	if (step != TLS_FAILED && tls_handshake(tls) != TLS_FAILED)
		abort(); /* its end must be seen */
	tls_free(tls);
	close(pair[0]);
	return 0;
}
