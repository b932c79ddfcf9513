/*
 * The http port: health, metrics and the page, for probes, Prometheus and
 * people. It runs on threads of its own (libmicrohttpd), one a connection and
 * few of them, and only reads: nothing here can slow the proxy or change it.
 *
 *   connection ──▶ http.c: limits, method, Host ──▶ http_answers.c: path ──▶ text
 */
#ifndef CROSSFADE_ADMIN_HTTP_H
#define CROSSFADE_ADMIN_HTTP_H

#include "admin/overview.h"
#include "base/buf.h"
#include "proxy/proxy.h"
#include "usage/usage.h"

/* All must live until http_free. */
struct http_sources {
	struct overview *overview;
	const struct proxy *proxy;
	struct usage *usage; /* NULL: counting is off */
	/* The report as JSON, on any thread; NULL: there is none. */
	bool (*report)(void *context, struct buf *out, struct error *error_out);
	void *report_context;
};

struct http;

/* host: a name, an address or "*"; port 0 chooses a free one. Listens and answers at once. */
bool http_new(const char *host, uint16_t port, const struct http_sources *sources, struct http **http_out,
	      struct error *error_out);
/* Ends its connections and threads; free accepts NULL. */
void http_free(struct http *http);
uint16_t http_port(const struct http *http);
/* Only this machine can reach it. */
bool http_is_local(const struct http *http);

#endif
