#include "net/address.h"

#include <criterion/criterion.h>

static const char *text(const struct address *address)
{
	static char out[ADDRESS_TEXT_BYTES];
	address_text(address, out);
	return out;
}

Test(address, numeric_ones_are_recognised_in_both_families)
{
	struct address address;
	cr_assert(address_numeric("10.1.2.3", 5432, &address));
	cr_assert_str_eq(text(&address), "10.1.2.3");
	cr_assert_eq(address_port(&address), 5432);
	cr_assert(address_numeric("::1", 65535, &address));
	cr_assert_str_eq(text(&address), "::1");
	cr_assert_eq(address_port(&address), 65535);
	cr_assert_not(address_is_unix(&address));
}

Test(address, what_is_no_number_is_a_name_and_touches_nothing)
{
	static const char *const names[] = { "db.example.org", "", "10.1.2", "10.1.2.256", "::g", "1.2.3.4x" };
	struct address address = { .len = 77 };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		cr_assert_not(address_numeric(names[i], 1, &address), "%s", names[i]);
	cr_assert_eq(address.len, 77);
}

Test(address, a_folder_gives_postgresqls_socket_name)
{
	struct address address;
	struct error error;
	cr_assert(address_unix("/run/pg", 5433, &address, &error));
	cr_assert(address_is_unix(&address));
	cr_assert_str_eq(((struct sockaddr_un *)&address.storage)->sun_path, "/run/pg/.s.PGSQL.5433");
	cr_assert_str_eq(text(&address), "local");
	cr_assert_eq(address_port(&address), 0);
}

Test(address, a_folder_whose_name_does_not_fit_is_an_error)
{
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	struct address address = { .len = 77 };
	struct error error;
	memset(folder, 'x', sizeof(folder));
	folder[0] = '/';
	folder[sizeof(folder) - 1] = '\0';
	cr_assert_not(address_unix(folder, 5432, &address, &error));
	cr_assert_str_eq(error.sqlstate, SQLSTATE_CONFIG_FILE_ERROR);
	cr_assert_eq(address.len, 77);
	/* The longest that fits: with "/.s.PGSQL.5432" and its NUL. */
	folder[sizeof(((struct sockaddr_un *)0)->sun_path) - sizeof("/.s.PGSQL.5432")] = '\0';
	cr_assert(address_unix(folder, 5432, &address, &error));
}
