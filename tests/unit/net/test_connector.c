#include "place.h"

#include "base/clock.h"
#include "net/connector.h"

#include <criterion/criterion.h>
#include <unistd.h>

static struct place place;

struct outcome {
	bool done;
	int fd, calls;
	struct address address;
	struct error error;
};

static void on_done(void *context, int fd, const struct address *address, const struct error *error)
{
	struct outcome *outcome = context;
	outcome->done = true;
	outcome->calls++;
	outcome->fd = fd;
	if (address)
		outcome->address = *address;
	if (error)
		outcome->error = *error;
}

static struct outcome outcome;

static void begin(void)
{
	place_init(&place);
	outcome = (struct outcome){ .fd = -1 };
}

static void end(void)
{
	if (outcome.fd >= 0)
		close(outcome.fd);
	place_deinit(&place);
}

TestSuite(connector, .init = begin, .fini = end);

static void expect_failure(const char *detail)
{
	cr_assert_eq(outcome.calls, 1);
	cr_assert_eq(outcome.fd, -1);
	cr_assert_str_eq(outcome.error.sqlstate, SQLSTATE_CONNECTION_FAILURE);
	cr_assert_not_null(strstr(outcome.error.detail, detail), "%s", outcome.error.detail);
	cr_assert(outcome.error.hint[0]);
}

Test(connector, reaches_a_numeric_address)
{
	uint16_t port;
	int listening = place_bind("127.0.0.1", 1, &port);
	connector_start(&place.loop, "127.0.0.1", port, 2000, on_done, &outcome);
	cr_assert_not(outcome.done, "never from within the call");
	place_run(&place, &outcome.done);
	cr_assert_geq(outcome.fd, 0);
	cr_assert_eq(address_port(&outcome.address), port);
	close(listening);
}

Test(connector, reaches_an_address_it_was_given_before)
{
	uint16_t port;
	int listening = place_bind("127.0.0.1", 1, &port);
	struct address address;
	address_numeric("127.0.0.1", port, &address);
	connector_start_at(&place.loop, &address, 2000, on_done, &outcome);
	place_run(&place, &outcome.done);
	cr_assert_geq(outcome.fd, 0);
	close(listening);
}

Test(connector, tries_the_addresses_of_a_name_in_turn)
{
	/* localhost is ::1 as well on most machines, and only 127.0.0.1 listens. */
	uint16_t port;
	int listening = place_bind("127.0.0.1", 1, &port);
	connector_start(&place.loop, "localhost", port, 2000, on_done, &outcome);
	place_run(&place, &outcome.done);
	cr_assert_geq(outcome.fd, 0);
	close(listening);
}

Test(connector, says_who_refused)
{
	connector_start(&place.loop, "127.0.0.1", place_free_port(), 2000, on_done, &outcome);
	place_run(&place, &outcome.done);
	expect_failure("127.0.0.1");
	cr_assert_not_null(strstr(outcome.error.detail, "refused"));
}

Test(connector, a_name_that_nobody_has)
{
	connector_start(&place.loop, "no-such-host.invalid", 5432, 4000, on_done, &outcome);
	place_run(&place, &outcome.done);
	expect_failure("no-such-host.invalid");
}

Test(connector, a_unix_socket_that_is_not_there)
{
	connector_start(&place.loop, place.folder, 5432, 2000, on_done, &outcome);
	place_run(&place, &outcome.done);
	expect_failure("No such file");
}

Test(connector, a_folder_with_too_long_a_name)
{
	char folder[200];
	memset(folder, 'x', sizeof(folder));
	folder[0] = '/';
	folder[sizeof(folder) - 1] = '\0';
	connector_start(&place.loop, folder, 5432, 2000, on_done, &outcome);
	place_run(&place, &outcome.done);
	cr_assert_eq(outcome.fd, -1);
	cr_assert(outcome.error.message[0]);
}

/* A queue of one that is full: the kernel drops further attempts, as a dead host would. */
Test(connector, gives_up_in_time)
{
	uint16_t port;
	int listening = place_bind("127.0.0.1", 0, &port), fillers[8];
	struct address address;
	address_numeric("127.0.0.1", port, &address);
	for (int i = 0; i < 8; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(fillers[i], (struct sockaddr *)&address.storage, address.len);
	}
	uint64_t began_us = clock_monotonic_us();
	connector_start(&place.loop, "127.0.0.1", port, 300, on_done, &outcome);
	place_run(&place, &outcome.done);
	expect_failure("no answer in time");
	cr_assert_geq(clock_monotonic_us() - began_us, 250000);
	cr_assert_leq(clock_monotonic_us() - began_us, 2000000);
	for (int i = 0; i < 8; i++)
		close(fillers[i]);
	close(listening);
}

Test(connector, a_cancelled_one_says_nothing)
{
	static const char *const hosts[] = { "127.0.0.1", "localhost", "/nowhere" };
	for (size_t i = 0; i < 3; i++)
		connector_cancel(connector_start(&place.loop, hosts[i], 1, 2000, on_done, &outcome));
	struct connector *resolving = connector_start(&place.loop, "localhost", 1, 2000, on_done, &outcome);
	uv_run(&place.loop, UV_RUN_NOWAIT); /* resolving, by another thread */
	connector_cancel(resolving);
	uv_run(&place.loop, UV_RUN_DEFAULT);
	cr_assert_eq(outcome.calls, 0);
	connector_cancel(NULL);
}
