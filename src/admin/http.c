#include "admin/http.h"

#include "admin/http_answers.h"
#include "admin/http_socket.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/thread.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

enum {
	CONNECTIONS_MAX = 32,
	TIMEOUT_S = 10,
	REQUEST_BYTES = 16 << 10, /* of memory for one connection: its head must fit */
	STACK_BYTES = 512 << 10,
};

struct http {
	struct http_sources sources;
	struct MHD_Daemon *daemon;
	struct http_socket socket;
	int64_t started_ms;
};

/* ---- requests ---- */

static void add_policy(struct MHD_Response *response, const char *nonce)
{
	char policy[256];
	int len = snprintf(policy, sizeof(policy), "default-src 'none'; frame-ancestors 'none'");
	if (*nonce)
		snprintf(policy + len, sizeof(policy) - (size_t)len,
			 "; script-src 'nonce-%s'; style-src 'nonce-%s'; connect-src 'self'; img-src data:; "
			 "base-uri 'none'; form-action 'none'", nonce, nonce);
	MHD_add_response_header(response, "Content-Security-Policy", policy);
	MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
	MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
}

static enum MHD_Result respond(struct MHD_Connection *connection, const struct http_answer *answer)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(answer->body.len, answer->body.data, MHD_RESPMEM_MUST_COPY);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", answer->content_type);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	add_policy(response, answer->nonce);
	if (answer->status == 405)
		MHD_add_response_header(response, "Allow", "GET, HEAD");
	enum MHD_Result result = MHD_queue_response(connection, (unsigned)answer->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, int status, const char *text)
{
	struct http_answer answer = { .status = status, .content_type = "text/plain; charset=utf-8" };
	buf_init(&answer.body);
	buf_append_str(&answer.body, text);
	enum MHD_Result result = respond(connection, &answer);
	buf_deinit(&answer.body);
	return result;
}

/*
 * A page from elsewhere, in the browser of somebody on this machine, can make
 * a name of its own point to 127.0.0.1 and read what is served there. Its
 * requests carry that name.
 */
static bool is_own_name(const char *host)
{
	char name[64];
	unsigned char address[16];
	bool bracket = host[0] == '[';
	size_t len = bracket ? strcspn(++host, "]") : strcspn(host, ":");
	if (len >= sizeof(name))
		return false;
	memcpy(name, host, len);
	name[len] = '\0';
	return bracket ? inet_pton(AF_INET6, name, address) == 1
		       : inet_pton(AF_INET, name, address) == 1 || strcasecmp(name, "localhost") == 0;
}

static enum MHD_Result answer_get(struct http *http, struct MHD_Connection *connection, const char *path)
{
	const char *server = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "server");
	struct http_request request = { .path = path, .started_ms = http->started_ms,
					.server = server && strcmp(server, "1") == 0 };
	struct http_answer answer;
	http_answer(&http->sources, &request, &answer);
	enum MHD_Result result = respond(connection, &answer);
	buf_deinit(&answer.body);
	return result;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *data, size_t *data_len,
				  void **mark)
{
	static char seen_head;
	struct http *http = context;
	const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return refuse(connection, 405, "Only GET and HEAD are answered.\n");
	if (!*mark) { /* the head alone; its body, if there is one, comes with the next call */
		*mark = &seen_head;
		return MHD_YES;
	}
	if (*data_len)
		return MHD_NO;
	if (http->socket.local && host && !is_own_name(host))
		return refuse(connection, 421, "Address this port by number or as localhost.\n");
	return answer_get(http, connection, path);
}

/* ---- life ---- */

static struct MHD_Daemon *start_daemon(struct http *http)
{
	sigset_t before;
	thread_block_signals(&before);
	struct MHD_Daemon *daemon = MHD_start_daemon(
		MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC,
		0, NULL, NULL, on_request, http,
		MHD_OPTION_LISTEN_SOCKET, http->socket.fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_BYTES,
		MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES,
		MHD_OPTION_END);
	thread_restore_signals(&before);
	return daemon;
}

bool http_new(const char *host, uint16_t port, const struct http_sources *sources, struct http **http_out,
	      struct error *error_out)
{
	struct http *http = memory_zalloc(sizeof(*http));
	http->sources = *sources;
	http->started_ms = clock_wall_ms();
	if (!http_socket_open(host, port, &http->socket, error_out)) {
		free(http);
		return false;
	}
	http->daemon = start_daemon(http);
	if (!http->daemon) {
		error_set(error_out, SQLSTATE_INTERNAL_ERROR, "cannot start the thread that serves http");
		close(http->socket.fd);
		free(http);
		return false;
	}
	*http_out = http;
	return true;
}

void http_free(struct http *http)
{
	if (!http)
		return;
	MHD_stop_daemon(http->daemon); /* closes the socket */
	free(http);
}

uint16_t http_port(const struct http *http)
{
	return http->socket.port;
}

bool http_is_local(const struct http *http)
{
	return http->socket.local;
}
