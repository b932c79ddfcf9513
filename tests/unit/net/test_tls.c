#include "certificates.h"
#include "place.h"

#include "net/stream.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOW_BYTES = 1000, LARGE_BYTES = 4 << 20, ROOM_BYTES = 65536 };

/* One end of a connection: what came, and what happened to it. */
struct end {
	struct stream stream;
	struct buf got;
	bool secured, ended, broken, closed;
	size_t read_at_once;
	size_t room_bytes; /* of its reads; 0: enough */
};

static struct place place;
static struct end server, client;
static struct tls_context *accepting, *connecting;
static char cert[128], key[128], other[128];

static void on_readable(struct stream *stream)
{
	static char data[ROOM_BYTES];
	struct end *end = stream->owner;
	ssize_t got = stream_read(stream, data, end->room_bytes ? end->room_bytes : sizeof(data));
	if (got == -EAGAIN)
		return;
	if (got <= 0) {
		end->ended = true;
		stream_read_enable(stream, false);
		return;
	}
	buf_append(&end->got, data, (size_t)got);
	end->read_at_once = (size_t)got;
}

static void on_drained(struct stream *stream)
{
}

static void on_broken(struct stream *stream, int error)
{
	((struct end *)stream->owner)->broken = true;
}

static void on_closed(struct stream *stream)
{
	((struct end *)stream->owner)->closed = true;
}

static void on_secured(struct stream *stream)
{
	((struct end *)stream->owner)->secured = true;
}

static const struct stream_callbacks callbacks = { on_readable, on_drained, on_broken, on_closed, on_secured };

static void turn(int times)
{
	while (times--)
		uv_run(&place.loop, UV_RUN_NOWAIT);
}

static struct tls_settings settings_of(const char *ca, enum tls_verify verify)
{
	return (struct tls_settings){ .cert = cert, .key = key, .ca = ca, .verify = verify };
}

static void make_contexts(struct tls_settings accept, struct tls_settings connect)
{
	struct error error;
	tls_context_unref(accepting);
	tls_context_unref(connecting);
	cr_assert(tls_context_accepting(&accept, &accepting, &error), "%s", error.message);
	cr_assert(tls_context_connecting(&connect, &connecting, &error), "%s", error.message);
}

static void open_pair(void)
{
	int pair[2];
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	server = client = (struct end){ .secured = false };
	cr_assert_eq(stream_open(&server.stream, &place.loop, pair[0], &callbacks, LOW_BYTES, &server), 0);
	cr_assert_eq(stream_open(&client.stream, &place.loop, pair[1], &callbacks, LOW_BYTES, &client), 0);
	stream_read_enable(&server.stream, true);
	stream_read_enable(&client.stream, true);
}

static void close_pair(void)
{
	stream_close(&server.stream);
	stream_close(&client.stream);
	place_run(&place, &server.closed);
	place_run(&place, &client.closed);
	buf_deinit(&server.got);
	buf_deinit(&client.got);
}

static void secure_pair(void)
{
	open_pair();
	stream_secure(&server.stream, accepting, NULL, slice_of(NULL, 0));
	stream_secure(&client.stream, connecting, "db.example", slice_of(NULL, 0));
	for (int i = 0; i < 10000 && !(server.secured || server.broken) | !(client.secured || client.broken); i++)
		turn(1);
	turn(3);
}

static void begin(void)
{
	place_init(&place);
	certificates_make(place.folder, "server", "db.example");
	certificates_make(place.folder, "other", "db.example");
	snprintf(cert, sizeof(cert), "%s/server.crt", place.folder);
	snprintf(key, sizeof(key), "%s/server.key", place.folder);
	snprintf(other, sizeof(other), "%s/other.crt", place.folder);
	accepting = connecting = NULL;
	make_contexts(settings_of(NULL, TLS_VERIFY_NONE), (struct tls_settings){ .ca = cert, .verify = TLS_VERIFY_REQUIRE });
}

static void end(void)
{
	tls_context_unref(accepting);
	tls_context_unref(connecting);
	certificates_remove(place.folder, "server");
	certificates_remove(place.folder, "other");
	place_deinit(&place);
}

TestSuite(tls, .init = begin, .fini = end);

Test(tls, bytes_pass_both_ways_once_both_sides_are_secured)
{
	secure_pair();
	cr_assert(server.secured && client.secured);
	cr_assert(tls_has_alpn(server.stream.tls) && tls_has_alpn(client.stream.tls));
	cr_assert(stream_write(&client.stream, "question", 8));
	cr_assert(stream_write(&server.stream, "answer", 6));
	turn(10);
	cr_assert(slice_is(buf_slice(&server.got), "question"));
	cr_assert(slice_is(buf_slice(&client.got), "answer"));
	close_pair();
}

Test(tls, what_is_written_during_the_handshake_follows_it)
{
	open_pair();
	stream_secure(&server.stream, accepting, NULL, slice_of(NULL, 0));
	stream_secure(&client.stream, connecting, NULL, slice_of(NULL, 0));
	cr_assert(stream_write(&client.stream, "early", 5));
	cr_assert_eq(stream_unsent(&client.stream), 5);
	for (int i = 0; i < 10000 && server.got.len < 5; i++)
		turn(1);
	cr_assert(slice_is(buf_slice(&server.got), "early"));
	cr_assert_eq(stream_unsent(&client.stream), 0);
	close_pair();
}

Test(tls, bytes_read_before_belong_to_the_handshake)
{
	static char data[ROOM_BYTES];
	open_pair();
	stream_read_enable(&server.stream, false);
	stream_secure(&client.stream, connecting, NULL, slice_of(NULL, 0));
	turn(3);
	ssize_t got = stream_read(&server.stream, data, sizeof(data));
	cr_assert_gt(got, 0);
	stream_read_enable(&server.stream, true);
	stream_secure(&server.stream, accepting, NULL, slice_of(data, (size_t)got));
	for (int i = 0; i < 10000 && !(server.secured && client.secured); i++)
		turn(1);
	cr_assert(server.secured && client.secured);
	close_pair();
}

Test(tls, large_amounts_arrive_in_order_and_many_records_at_once)
{
	char *data = malloc(LARGE_BYTES);
	for (size_t i = 0; i < LARGE_BYTES; i++)
		data[i] = (char)(i * 31 + i / 251);
	secure_pair();
	stream_read_enable(&client.stream, false);
	cr_assert(stream_write(&server.stream, data, LARGE_BYTES / 2));
	cr_assert_gt(stream_unsent(&server.stream), 0);
	cr_assert(stream_write(&server.stream, data + LARGE_BYTES / 2, LARGE_BYTES / 2));
	turn(3);
	stream_read_enable(&client.stream, true);
	turn(1);
	cr_assert_gt(client.read_at_once, TLS_RECORD_BYTES);
	for (int i = 0; i < 100000 && client.got.len < LARGE_BYTES; i++)
		turn(1);
	cr_assert_eq(client.got.len, LARGE_BYTES);
	cr_assert_eq(memcmp(client.got.data, data, LARGE_BYTES), 0);
	cr_assert_eq(stream_unsent(&server.stream), 0);
	free(data);
	close_pair();
}

Test(tls, records_that_found_no_room_are_told_without_another_byte)
{
	secure_pair();
	client.room_bytes = TLS_RECORD_BYTES; /* for one, since the next might be long */
	stream_read_enable(&client.stream, false);
	for (int i = 0; i < 50; i++)
		cr_assert(stream_write(&server.stream, "0123456789", 10));
	turn(3);
	stream_read_enable(&client.stream, true);
	for (int i = 0; i < 100 && client.got.len < 500; i++)
		turn(1);
	cr_assert_eq(client.got.len, 500);
	close_pair();
}

Test(tls, an_end_right_behind_the_last_bytes_is_told)
{
	secure_pair();
	cr_assert(stream_write(&server.stream, "last", 4));
	stream_shutdown(&server.stream);
	turn(10);
	cr_assert(slice_is(buf_slice(&client.got), "last"));
	cr_assert(client.ended);
	cr_assert(stream_write(&client.stream, "still", 5), "the other direction stays");
	turn(10);
	cr_assert(slice_is(buf_slice(&server.got), "still"));
	close_pair();
}

Test(tls, an_end_that_came_while_nothing_was_read_is_told_later)
{
	secure_pair();
	stream_read_enable(&client.stream, false);
	stream_write(&server.stream, "last", 4);
	stream_close(&server.stream);
	turn(10);
	cr_assert_not(client.ended);
	stream_read_enable(&client.stream, true);
	turn(10);
	cr_assert(client.ended);
	cr_assert(slice_is(buf_slice(&client.got), "last"));
	close_pair();
}

Test(tls, a_certificate_of_another_authority_is_refused_with_the_reason)
{
	make_contexts(settings_of(NULL, TLS_VERIFY_NONE), (struct tls_settings){ .ca = other, .verify = TLS_VERIFY_REQUIRE });
	secure_pair();
	cr_assert(client.broken && !client.secured);
	cr_assert(strstr(stream_why(&client.stream), "certificate verify failed"), "%s", stream_why(&client.stream));
	cr_assert(server.broken);
	cr_assert(strlen(stream_why(&server.stream)) > 5, "%s", stream_why(&server.stream));
	close_pair();
}

Test(tls, without_verification_any_certificate_will_do)
{
	make_contexts(settings_of(NULL, TLS_VERIFY_NONE), (struct tls_settings){ .ca = NULL });
	secure_pair();
	cr_assert(client.secured);
	close_pair();
}

Test(tls, clients_without_a_certificate_come_in_unless_it_is_required)
{
	struct tls_settings anonymous = { .ca = cert, .verify = TLS_VERIFY_REQUIRE };
	make_contexts(settings_of(cert, TLS_VERIFY_OPTIONAL), anonymous);
	secure_pair();
	cr_assert(server.secured);
	close_pair();
	make_contexts(settings_of(cert, TLS_VERIFY_REQUIRE), anonymous);
	secure_pair();
	cr_assert(server.broken);
	close_pair();
	make_contexts(settings_of(cert, TLS_VERIFY_REQUIRE), settings_of(cert, TLS_VERIFY_REQUIRE));
	secure_pair();
	char name[64];
	cr_assert(server.secured);
	cr_assert(tls_peer_name(server.stream.tls, name, sizeof(name)));
	cr_assert_str_eq(name, "/CN=db.example");
	close_pair();
}

Test(tls, host_names_are_those_of_the_certificate)
{
	secure_pair();
	const struct tls *tls = client.stream.tls;
	cr_assert(tls_is_host(tls, "db.example"));
	cr_assert(tls_is_host(tls, "DB.example"));
	cr_assert(tls_is_host(tls, "127.0.0.1"));
	cr_assert_not(tls_is_host(tls, "127.0.0.2"));
	cr_assert_not(tls_is_host(tls, "other.example"));
	cr_assert_not(tls_is_host(tls, "a.db.example"));
	cr_assert_not(tls_is_host(tls, "::1"));
	close_pair();
}

Test(tls, the_second_connection_resumes_the_first)
{
	secure_pair();
	cr_assert_not(tls_resumed(client.stream.tls));
	stream_write(&server.stream, "x", 1); /* the ticket comes before it */
	turn(10);
	cr_assert_eq(client.got.len, 1);
	close_pair();
	secure_pair();
	cr_assert(tls_resumed(client.stream.tls));
	cr_assert(tls_resumed(server.stream.tls));
	cr_assert(tls_is_host(client.stream.tls, "db.example"), "the certificate is still known");
	close_pair();
}

Test(tls, both_sides_bind_to_the_same_certificate)
{
	struct buf seen = { 0 };
	secure_pair();
	tls_append_peer_end_point(client.stream.tls, &seen);
	cr_assert_eq(seen.len, 32);
	cr_assert(slice_eq(buf_slice(&seen), tls_context_end_point(accepting)));
	buf_deinit(&seen);
	close_pair();
}

Test(tls, nonsense_instead_of_a_handshake_breaks_it)
{
	open_pair();
	stream_write(&client.stream, "GET / HTTP/1.1\r\n\r\n", 18);
	stream_secure(&server.stream, accepting, NULL, slice_of(NULL, 0));
	for (int i = 0; i < 1000 && !server.broken; i++)
		turn(1);
	cr_assert(server.broken);
	close_pair();
	open_pair();
	stream_secure(&server.stream, accepting, NULL, slice_of(NULL, 0));
	stream_close(&client.stream);
	for (int i = 0; i < 1000 && !server.broken; i++)
		turn(1);
	cr_assert(server.broken);
	close_pair();
}

Test(tls, files_that_are_wrong_are_named)
{
	struct tls_context *context;
	struct error error;
	struct tls_settings settings = settings_of(NULL, TLS_VERIFY_NONE);
	settings.cert = "/nonexistent/a.crt";
	cr_assert_not(tls_context_accepting(&settings, &context, &error));
	cr_assert_str_eq(error.file, settings.cert);
	settings.cert = other;
	cr_assert_not(tls_context_accepting(&settings, &context, &error));
	cr_assert_str_eq(error.file, key);
	settings.cert = key;
	cr_assert_not(tls_context_accepting(&settings, &context, &error));
	cr_assert_str_eq(error.message, "cannot load the certificate: no start line");
	settings.cert = cert;
	chmod(key, 0644);
	cr_assert_not(tls_context_accepting(&settings, &context, &error));
	cr_assert(strstr(error.message, "may be read"), "%s", error.message);
	chmod(key, 0600);
	settings.ca = key;
	cr_assert_not(tls_context_accepting(&settings, &context, &error));
	cr_assert_str_eq(error.file, key);
	settings.ca = TLS_SYSTEM_AUTHORITIES;
	settings.cert = settings.key = NULL;
	cr_assert(tls_context_connecting(&settings, &context, &error), "%s", error.message);
	tls_context_unref(context);
}
