/* The http port, over real sockets of the loopback. */
#include "admin/http.h"
#include "admin/page.h"
#include "admin/probe.h"
#include "base/buf.h"
#include "base/clock.h"
#include "usage/report.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

struct port {
	uv_loop_t loop;
	struct http_sources sources;
	struct proxy *proxy;
	struct http *http;
};

static void open_port(struct port *port)
{
	struct proxy_settings settings = proxy_settings_default();
	struct error error;
	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&port->loop);
	port->proxy = proxy_new(&port->loop, &settings, NULL, (struct proxy_callbacks){ 0 });
	port->sources = (struct http_sources){ overview_new(0), port->proxy, NULL };
	overview_set_phase(port->sources.overview, OVERVIEW_READY);
	cr_assert(http_new("127.0.0.1", 0, &port->sources, &port->http, &error), "%s", error.message);
}

static void close_port(struct port *port)
{
	http_free(port->http);
	proxy_free(port->proxy);
	overview_free(port->sources.overview);
	uv_run(&port->loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&port->loop), 0);
}

static int dial(const struct port *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(http_port(port->http)),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	struct timeval patience = { .tv_sec = 20 };
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

/* Everything that comes back for these bytes. */
static const char *talk(const struct port *port, const char *request, size_t request_len, bool then_close)
{
	static char answer[65536];
	size_t len = 0;
	ssize_t got;
	int fd = dial(port);
	send(fd, request, request_len, MSG_NOSIGNAL);
	if (then_close)
		shutdown(fd, SHUT_WR);
	while (len < sizeof(answer) - 1 && (got = recv(fd, answer + len, sizeof(answer) - 1 - len, 0)) > 0)
		len += (size_t)got;
	close(fd);
	answer[len] = '\0';
	return answer;
}

static const char *ask(const struct port *port, const char *head)
{
	char request[512];
	int len = snprintf(request, sizeof(request), "%s\r\nConnection: close\r\n\r\n", head);
	return talk(port, request, (size_t)len, false);
}

static bool begins(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

Test(http, health_is_told_and_readiness_follows_the_phase)
{
	struct port port;
	open_port(&port);
	cr_expect(begins(ask(&port, "GET /healthz HTTP/1.1\r\nHost: localhost"), "HTTP/1.1 200"));
	cr_expect(begins(ask(&port, "GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:1"), "HTTP/1.1 200"));
	overview_set_phase(port.sources.overview, OVERVIEW_DRAINING);
	cr_expect(begins(ask(&port, "GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:1"), "HTTP/1.1 503"));
	overview_set_phase(port.sources.overview, OVERVIEW_STARTING);
	cr_expect(begins(ask(&port, "GET /readyz HTTP/1.1\r\nHost: [::1]:1"), "HTTP/1.1 503"));
	cr_expect(begins(ask(&port, "GET /healthz HTTP/1.1\r\nHost: localhost"), "HTTP/1.1 200"));
	close_port(&port);
}

Test(http, server_is_asked_only_on_request)
{
	struct port port;
	open_port(&port);
	overview_set_server(port.sources.overview, "127.0.0.1", 1); /* tcpmux: nobody there */
	cr_expect(begins(ask(&port, "GET /readyz HTTP/1.1\r\nHost: localhost"), "HTTP/1.1 200"));
	const char *answer = ask(&port, "GET /readyz?server=1 HTTP/1.1\r\nHost: localhost");
	cr_expect(begins(answer, "HTTP/1.1 503"), "%s", answer);
	cr_expect(strstr(answer, "server: cannot connect"), "%s", answer);
	close_port(&port);
}

Test(http, metrics_have_their_content_type_and_head_has_no_body)
{
	struct port port;
	open_port(&port);
	const char *answer = ask(&port, "GET /metrics HTTP/1.1\r\nHost: localhost");
	cr_expect(begins(answer, "HTTP/1.1 200"));
	cr_expect(strstr(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	cr_expect(strstr(answer, "\n# TYPE crossfade_sessions gauge\ncrossfade_sessions 0\n"));
	answer = ask(&port, "HEAD /metrics HTTP/1.1\r\nHost: localhost");
	cr_expect(begins(answer, "HTTP/1.1 200"));
	cr_expect_str_empty(strstr(answer, "\r\n\r\n") + 4);
	close_port(&port);
}

static bool say_report(void *context, struct buf *out, struct error *error_out)
{
	if (!context) {
		error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "no ledger today");
		return false;
	}
	buf_append_str(out, context);
	return true;
}

Test(http, page_runs_by_a_nonce_that_differs_each_time)
{
	struct port port;
	char first[33];
	open_port(&port);
	for (int i = 0; i < 2; i++) {
		const char *answer = ask(&port, "GET / HTTP/1.1\r\nHost: localhost");
		const char *body = strstr(answer, "\r\n\r\n"), *policy = strstr(answer, "; script-src 'nonce-");
		cr_assert(body && policy && policy < body);
		cr_expect(strstr(answer, "Content-Type: text/html; charset=utf-8\r\n"));
		char attribute[64];
		snprintf(attribute, sizeof(attribute), "<script nonce=\"%.32s\">", policy + 20);
		cr_expect(strstr(body, attribute), "%s", attribute);
		cr_expect_null(strstr(body, "@NONCE@"));
		cr_expect(i == 0 || memcmp(first, policy + 20, 32) != 0);
		memcpy(first, policy + 20, 32);
	}
	close_port(&port);
}

Test(http, report_is_passed_on_or_its_absence_explained)
{
	struct port port;
	open_port(&port);
	const char *answer = ask(&port, "GET /report.json HTTP/1.1\r\nHost: localhost");
	cr_expect(begins(answer, "HTTP/1.1 503") && strstr(answer, "there is no ledger"), "%s", answer);
	http_free(port.http);
	struct error error;
	port.sources.report = say_report;
	port.sources.report_context = "{}";
	cr_assert(http_new("127.0.0.1", 0, &port.sources, &port.http, &error), "%s", error.message);
	answer = ask(&port, "GET /report.json HTTP/1.1\r\nHost: localhost");
	cr_expect(begins(answer, "HTTP/1.1 200") && strstr(answer, "Content-Type: application/json\r\n"), "%s", answer);
	cr_expect_str_eq(strstr(answer, "\r\n\r\n") + 4, "{}");
	http_free(port.http);
	port.sources.report_context = NULL;
	cr_assert(http_new("127.0.0.1", 0, &port.sources, &port.http, &error), "%s", error.message);
	cr_expect(strstr(ask(&port, "GET /report.json HTTP/1.1\r\nHost: localhost"), "no ledger today"));
	close_port(&port);
}

Test(page, knows_every_verdict)
{
	struct buf out;
	buf_init(&out);
	page_append("n0", slice_of(NULL, 0), &out);
	for (int verdict = REPORT_IN_USE; verdict <= REPORT_SAME; verdict++) {
		char word[64];
		snprintf(word, sizeof(word), " %s: '", report_verdict_name((enum report_verdict)verdict));
		cr_expect(strstr(buf_cstr(&out), word), "%s", word);
	}
	buf_deinit(&out);
}

Test(page, data_cannot_leave_its_element)
{
	struct buf out;
	buf_init(&out);
	page_append("n0", slice_str("{\"statement\": \"</script><script>alert(1)</script><!-- &amp; @NONCE@\"}"), &out);
	const char *text = buf_cstr(&out);
	cr_expect(strstr(text, "{\"statement\": \"\\u003c/script\\u003e\\u003cscript\\u003ealert(1)\\u003c/script\\u003e"
			       "\\u003c!-- \\u0026amp; @NONCE@\"}"));
	cr_expect_null(strstr(text, "<script>"));
	buf_deinit(&out);
}

Test(http, only_get_and_head_of_known_paths)
{
	struct port port;
	open_port(&port);
	const char *answer = ask(&port, "DELETE /metrics HTTP/1.1\r\nHost: localhost");
	cr_expect(begins(answer, "HTTP/1.1 405"));
	cr_expect(strstr(answer, "Allow: GET, HEAD\r\n"));
	cr_expect(begins(ask(&port, "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0"), "HTTP/1.1 405"));
	cr_expect(begins(ask(&port, "GET /../etc/passwd HTTP/1.1\r\nHost: localhost"), "HTTP/1.1 404"));
	cr_expect(begins(ask(&port, "GET /nothing<b> HTTP/1.1\r\nHost: localhost"), "HTTP/1.1 404"));
	close_port(&port);
}

Test(http, a_page_from_elsewhere_cannot_read_it_under_a_name_of_its_own)
{
	struct port port;
	open_port(&port);
	cr_expect(begins(ask(&port, "GET /metrics HTTP/1.1\r\nHost: evil.example:9632"), "HTTP/1.1 421"));
	cr_expect(begins(ask(&port, "GET /metrics HTTP/1.1\r\nHost: localhost.evil.example"), "HTTP/1.1 421"));
	cr_expect(begins(ask(&port, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1.evil.example"), "HTTP/1.1 421"));
	close_port(&port);
}

Test(http, garbage_and_endless_heads_end_the_connection_only)
{
	static char endless[200000];
	struct port port;
	open_port(&port);
	memset(endless, 'x', sizeof(endless));
	memcpy(endless, "GET /healthz HTTP/1.1\r\nX: ", 26);
	const char *answer = talk(&port, endless, sizeof(endless), true);
	cr_expect(!begins(answer, "HTTP/1.1 200"), "%.80s", answer);
	talk(&port, "\0\xff\x16\x03garbage\r\n\r\n", 15, true);
	talk(&port, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nbody-body", 69, true);
	cr_expect(begins(ask(&port, "GET /healthz HTTP/1.1\r\nHost: localhost"), "HTTP/1.1 200"));
	close_port(&port);
}

Test(http, idle_connections_are_bounded_and_end_with_it)
{
	struct port port;
	int idle[40];
	open_port(&port);
	for (size_t i = 0; i < 40; i++)
		idle[i] = dial(&port);
	uint64_t started_us = clock_monotonic_us();
	close_port(&port);
	cr_expect_lt(clock_monotonic_us() - started_us, 5000000);
	for (size_t i = 0; i < 40; i++)
		close(idle[i]);
}

Test(http, an_address_in_use_is_an_error_with_a_hint)
{
	struct port port;
	struct http *second = NULL;
	struct error error;
	open_port(&port);
	cr_expect_not(http_new("127.0.0.1", http_port(port.http), &port.sources, &second, &error));
	cr_expect(strstr(error.message, "cannot listen for http on 127.0.0.1:"), "%s", error.message);
	cr_expect_str_not_empty(error.hint);
	cr_expect(http_is_local(port.http));
	close_port(&port);
}

Test(probe, tells_http_from_nobody_and_from_postgres)
{
	struct port port;
	struct error error;
	char text[256];
	int status = 0;
	open_port(&port);
	uint16_t number = http_port(port.http);
	cr_assert(probe_http("127.0.0.1", number, "/readyz", 2000, &status, text, &error), "%s", error.message);
	cr_expect_eq(status, 200);
	cr_expect_str_eq(text, "ready");
	cr_expect_not(probe_postgres("127.0.0.1", number, 500, &error));
	cr_expect_not(probe_http("127.0.0.1", 1, "/readyz", 500, &status, text, &error));
	cr_expect_not(probe_postgres("/nowhere", 1, 500, &error));
	close_port(&port);
}
