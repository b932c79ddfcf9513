#include "place.h"

#include "net/listener.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

static struct place place;
static struct listener *made[8];
static size_t made_count;
static bool accepted;

static void on_made(void *context, struct listener *listener)
{
	made[made_count++] = listener;
}

static void on_accept(void *context, int fd, const struct address *peer)
{
	accepted = true;
	close(fd);
}

static void begin(void)
{
	place_init(&place);
	made_count = 0;
	accepted = false;
}

static void end(void)
{
	for (size_t i = 0; i < made_count; i++)
		listener_close(made[i]);
	place_deinit(&place);
}

TestSuite(listener, .init = begin, .fini = end);

static bool listens(const char *host, uint16_t port, struct error *error)
{
	return listener_bind(&place.loop, host, port, on_accept, NULL, on_made, error) &&
	       listener_start(made[made_count - 1], 16, error);
}

static void expect_an_answer(const struct address *address)
{
	int fd = socket(address->storage.ss_family, SOCK_STREAM, 0);
	cr_assert_eq(connect(fd, (const struct sockaddr *)&address->storage, address->len), 0);
	place_run(&place, &accepted);
	close(fd);
}

static struct sockaddr_un *socket_file(struct address *address)
{
	struct error error;
	cr_assert(address_unix(place.folder, 5432, address, &error));
	return (struct sockaddr_un *)&address->storage;
}

Test(listener, port_0_chooses_one)
{
	struct error error;
	struct address address;
	cr_assert(listens("127.0.0.1", 0, &error), "%s", error.message);
	cr_assert_neq(listener_port(made[0]), 0);
	address_numeric("127.0.0.1", listener_port(made[0]), &address);
	expect_an_answer(&address);
}

Test(listener, a_port_in_use_is_named)
{
	struct error error;
	uint16_t port;
	int other = place_bind("127.0.0.1", 1, &port);
	cr_assert_not(listens("127.0.0.1", port, &error));
	cr_assert_not_null(strstr(error.message, "in use"), "%s", error.message);
	cr_assert_eq(made_count, 0);
	close(other);
}

Test(listener, a_name_that_nobody_has)
{
	struct error error;
	cr_assert_not(listens("no-such-host.invalid", 0, &error));
	cr_assert_not_null(strstr(error.message, "no-such-host.invalid"));
}

Test(listener, a_unix_socket_is_open_to_all_and_removed_at_the_end)
{
	struct error error;
	struct address address;
	struct stat info;
	const char *path = socket_file(&address)->sun_path;
	cr_assert(listens(place.folder, 5432, &error), "%s", error.message);
	cr_assert_eq(stat(path, &info), 0);
	cr_assert_eq(info.st_mode & 0777, 0777);
	expect_an_answer(&address);
	listener_close(made[--made_count]);
	cr_assert_neq(stat(path, &info), 0);
}

Test(listener, a_stale_socket_file_is_replaced)
{
	struct error error;
	struct address address;
	socket_file(&address);
	int dead = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert_eq(bind(dead, (struct sockaddr *)&address.storage, address.len), 0);
	close(dead); /* the file stays, nobody answers */
	cr_assert(listens(place.folder, 5432, &error), "%s", error.message);
	expect_an_answer(&address);
}

Test(listener, a_socket_that_somebody_serves_is_not_touched)
{
	struct error error;
	struct address address;
	const char *path = socket_file(&address)->sun_path;
	int other = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert_eq(bind(other, (struct sockaddr *)&address.storage, address.len), 0);
	cr_assert_eq(listen(other, 1), 0);
	cr_assert_not(listens(place.folder, 5432, &error));
	close(other);
	cr_assert_eq(unlink(path), 0, "it was there still");
}

Test(listener, a_file_that_is_no_socket_is_not_touched)
{
	struct error error;
	struct address address;
	const char *path = socket_file(&address)->sun_path;
	fclose(fopen(path, "w"));
	cr_assert_not(listens(place.folder, 5432, &error));
	cr_assert_eq(unlink(path), 0);
}

Test(listener, a_file_that_another_one_made_meanwhile_stays)
{
	struct error error;
	struct address address;
	const char *path = socket_file(&address)->sun_path;
	cr_assert(listens(place.folder, 5432, &error));
	unlink(path);
	fclose(fopen(path, "w"));
	listener_close(made[--made_count]);
	cr_assert_eq(unlink(path), 0, "not ours");
}
