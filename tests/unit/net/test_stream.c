#include "place.h"

#include "net/stream.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { LOW_BYTES = 1000, LARGE_BYTES = 4 << 20 };

static struct place place;
static struct stream stream;
static int peer;
static bool readable, drained, broken, closed;

static void on_readable(struct stream *s)
{
	readable = true;
	stream_read_enable(s, false);
}

static void on_drained(struct stream *s)
{
	drained = true;
}

static void on_broken(struct stream *s, int error)
{
	cr_assert_lt(error, 0);
	broken = true;
	stream_close(s);
}

static void on_closed(struct stream *s)
{
	closed = true;
}

static const struct stream_callbacks callbacks = { on_readable, on_drained, on_broken, on_closed };

static void begin(void)
{
	int pair[2];
	place_init(&place);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	peer = pair[1];
	readable = drained = broken = closed = false;
	cr_assert_eq(stream_open(&stream, &place.loop, pair[0], &callbacks, LOW_BYTES, NULL), 0);
}

static void end(void)
{
	stream_close(&stream);
	stream_close(&stream); /* twice is fine */
	place_run(&place, &closed);
	if (peer >= 0)
		close(peer);
	place_deinit(&place);
}

TestSuite(stream, .init = begin, .fini = end);

static void turn(int times)
{
	while (times--)
		uv_run(&place.loop, UV_RUN_NOWAIT);
}

static size_t peer_reads(size_t max, const char *expected)
{
	static char data[65536];
	size_t total = 0;
	while (total < max) {
		ssize_t got = recv(peer, data, sizeof(data) < max - total ? sizeof(data) : max - total, 0);
		if (got <= 0)
			break;
		if (expected)
			cr_assert_eq(memcmp(data, expected + total, (size_t)got), 0);
		total += (size_t)got;
	}
	return total;
}

static char *pattern(size_t len)
{
	char *data = malloc(len);
	for (size_t i = 0; i < len; i++)
		data[i] = (char)(i * 31 + i / 251);
	return data;
}

Test(stream, nothing_is_read_before_it_is_wanted)
{
	char data[8];
	cr_assert_eq(send(peer, "hello", 5, 0), 5);
	turn(3);
	cr_assert_not(readable);
	stream_read_enable(&stream, true);
	place_run(&place, &readable);
	cr_assert_eq(stream_read(&stream, data, sizeof(data)), 5);
	cr_assert_eq(stream_read(&stream, data, sizeof(data)), -EAGAIN);
}

Test(stream, what_the_kernel_takes_is_not_kept)
{
	cr_assert(stream_write(&stream, "abc", 3));
	cr_assert_eq(stream_unsent(&stream), 0);
	cr_assert_null(stream.kept.data, "an idle stream owns no memory");
	cr_assert_eq(peer_reads(3, "abc"), 3);
}

Test(stream, what_it_does_not_take_follows_in_order_and_the_low_mark_is_told)
{
	char *data = pattern(LARGE_BYTES);
	size_t at = 0;
	cr_assert(stream_write(&stream, data, LARGE_BYTES / 2));
	cr_assert_gt(stream_unsent(&stream), 0);
	cr_assert(stream_write(&stream, data + LARGE_BYTES / 2, LARGE_BYTES / 2));
	cr_assert_not(drained);
	while (at < LARGE_BYTES) {
		at += peer_reads(65536, data + at);
		cr_assert(!drained || stream_unsent(&stream) <= LOW_BYTES);
		turn(1);
	}
	cr_assert(drained);
	cr_assert_eq(stream_unsent(&stream), 0);
	cr_assert_null(stream.kept.data);
	free(data);
}

Test(stream, a_shutdown_waits_for_what_is_kept)
{
	char *data = pattern(LARGE_BYTES), byte;
	size_t at = 0;
	stream_write(&stream, data, LARGE_BYTES);
	stream_shutdown(&stream);
	while (at < LARGE_BYTES) {
		at += peer_reads(65536, data + at);
		turn(1);
	}
	cr_assert_eq(recv(peer, &byte, 1, 0), 0, "then comes the end");
	cr_assert_eq(send(peer, "x", 1, 0), 1);
	cr_assert_eq(stream_read(&stream, &byte, 1), 1, "the other direction stays");
	free(data);
}

Test(stream, writing_to_a_peer_that_is_gone_breaks_it_from_the_loop)
{
	close(peer);
	peer = -1;
	cr_assert_not(stream_write(&stream, "x", 1));
	cr_assert_not(broken, "never from within the call");
	place_run(&place, &broken);
	cr_assert_not(stream_write(&stream, "x", 1));
}

Test(stream, a_peer_that_goes_while_bytes_are_kept_breaks_it)
{
	char *data = pattern(LARGE_BYTES);
	stream_write(&stream, data, LARGE_BYTES);
	close(peer);
	peer = -1;
	place_run(&place, &broken);
	free(data);
}

Test(stream, unread_it_does_not_see_its_peer_go)
{
	close(peer);
	peer = -1;
	turn(5);
	cr_assert_not(broken);
}

Test(stream, unread_but_watched_it_sees_its_peer_go)
{
	stream.watch_hangup = true;
	stream_read_enable(&stream, false);
	turn(3);
	cr_assert_not(broken);
	close(peer);
	peer = -1;
	place_run(&place, &broken);
}

Test(stream, a_half_closed_peer_is_noticed_once_and_may_still_go)
{
	stream.watch_hangup = true;
	stream_read_enable(&stream, false);
	cr_assert_eq(send(peer, "last", 4, 0), 4);
	shutdown(peer, SHUT_WR);
	turn(5);
	cr_assert_not(broken);
	cr_assert(stream.half_closed);
	cr_assert(stream_write(&stream, "answer", 6), "it still listens");
	cr_assert_eq(peer_reads(6, "answer"), 6);
	close(peer);
	peer = -1;
	place_run(&place, &broken);
}

Test(stream, a_closed_one_takes_nothing)
{
	stream_close(&stream);
	cr_assert_not(stream_write(&stream, "x", 1));
	stream_shutdown(&stream);
	stream_read_enable(&stream, true);
	place_run(&place, &closed);
	cr_assert_not(readable);
}
