#include "place.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

void place_init(struct place *place)
{
	strcpy(place->folder, "/tmp/cf-net-XXXXXX");
	cr_assert_not_null(mkdtemp(place->folder));
	cr_assert_eq(uv_loop_init(&place->loop), 0);
}

void place_deinit(struct place *place)
{
	uv_run(&place->loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&place->loop), 0, "handles are left open");
	cr_assert_eq(rmdir(place->folder), 0, "files are left");
}

static void on_too_late(uv_timer_t *timer)
{
	cr_assert_fail("nothing happened within five seconds");
}

void place_run(struct place *place, const bool *done)
{
	uv_timer_t timer;
	uv_timer_init(&place->loop, &timer);
	uv_timer_start(&timer, on_too_late, 5000, 0);
	uv_unref((uv_handle_t *)&timer);
	while (!*done && uv_run(&place->loop, UV_RUN_ONCE))
		;
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&place->loop, UV_RUN_NOWAIT);
	cr_assert(*done, "the loop ended before it happened");
}

int place_bind(const char *host, int backlog, uint16_t *port_out)
{
	struct address address, bound = { .len = sizeof(bound.storage) };
	cr_assert(address_numeric(host, 0, &address));
	int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address.storage, address.len), 0);
	if (backlog >= 0)
		cr_assert_eq(listen(fd, backlog), 0);
	getsockname(fd, (struct sockaddr *)&bound.storage, &bound.len);
	*port_out = address_port(&bound);
	return fd;
}

uint16_t place_free_port(void)
{
	uint16_t port;
	close(place_bind("127.0.0.1", -1, &port));
	return port;
}
