/* The small parsers: names as SQL writes them, addresses, suggestions. */
#include "config/endpoint.h"
#include "config/sql_name.h"
#include "config/suggest.h"

#include <criterion/criterion.h>

Test(sql_name, reads_names_as_the_server_does)
{
	static const struct {
		const char *text, *schema, *name;
	} cases[] = {
		{ "prices", NULL, "prices" },
		{ "Public.PRICES", "public", "prices" },
		{ "\"Public\".\"PRICES\"", "Public", "PRICES" },
		{ "public.\"a.b\"", "public", "a.b" },
		{ "\"say \"\"hi\"\"\".x", "say \"hi\"", "x" },
		{ "_a$1.b2", "_a$1", "b2" },
		{ "m\xc3\xa4rkte.\xed\x95\x9c", "m\xc3\xa4rkte", "\xed\x95\x9c" },
		{ "public.order", "public", "order" },
	};
	struct arena arena;
	arena_init(&arena);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sql_name name;
		const char *why;
		cr_assert(sql_name_parse(&arena, cases[i].text, &name, &why), "%s", cases[i].text);
		cr_expect(rel_name_eq(name.name, (struct rel_name){ cases[i].schema, cases[i].name }), "%s",
			  cases[i].text);
		cr_expect_not(name.star);
	}
	arena_deinit(&arena);
}

Test(sql_name, a_quoted_star_is_no_pattern)
{
	struct arena arena;
	struct sql_name name;
	const char *why;
	arena_init(&arena);
	cr_assert(sql_name_parse(&arena, "public.*", &name, &why) && name.star);
	cr_assert(sql_name_parse(&arena, "public.\"*\"", &name, &why) && !name.star);
	cr_expect_not(sql_name_parse(&arena, "*.x", &name, &why));
	cr_expect_not(sql_name_parse(&arena, "*", &name, &why));
	cr_expect_not(sql_name_parse(&arena, "public.*x", &name, &why));
	arena_deinit(&arena);
}

Test(sql_name, a_database_may_stand_before_it)
{
	struct arena arena;
	struct rel_name name;
	const char *database, *why;
	arena_init(&arena);
	cr_assert(sql_name_parse_full(&arena, "\"\xc3\x9c-1\".\"Alt Daten\".Select", &database, &name, &why));
	cr_expect_str_eq(database, "\xc3\x9c-1");
	cr_expect(rel_name_eq(name, (struct rel_name){ "Alt Daten", "select" }));
	cr_assert(sql_name_parse_full(&arena, "public.prices", &database, &name, &why));
	cr_expect_null(database);
	cr_expect(rel_name_eq(name, (struct rel_name){ "public", "prices" }));
	cr_assert(sql_name_parse_full(&arena, "prices", &database, &name, &why));
	cr_expect_null(name.schema);
	static const char *const bad[] = { "", "a.b.c.d", "a..b", "a.", ".a", "a.\"b", "\"a\"b.c", "a b" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_not(sql_name_parse_full(&arena, bad[i], &database, &name, &why), "%s", bad[i]);
	arena_deinit(&arena);
}

Test(sql_name, sixty_three_bytes_are_the_most)
{
	struct arena arena;
	const char *name, *why;
	char text[70];
	arena_init(&arena);
	memset(text, 'a', sizeof(text));
	text[63] = '\0';
	cr_expect(sql_name_parse_single(&arena, text, &name, &why));
	text[63] = 'a';
	text[64] = '\0';
	cr_expect_not(sql_name_parse_single(&arena, text, &name, &why));
	cr_expect_not(sql_name_parse_single(&arena, "a.b", &name, &why));
	arena_deinit(&arena);
}

Test(endpoint, prints_what_it_reads)
{
	static const char *const cases[][2] = {
		{ "127.0.0.1:6432", "127.0.0.1:6432" }, { "localhost", "localhost:5432" }, { "*:1", "*:1" },
		{ "[::1]:65535", "[::1]:65535" },	{ "[fe80::1%eth0]", "[fe80::1%eth0]:5432" },
		{ "/run/pg", "/run/pg:5432" },		{ "/run/pg//:9", "/run/pg:9" },
		{ "db-1.example.org:7", "db-1.example.org:7" },
	};
	struct arena arena;
	arena_init(&arena);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct endpoint endpoint;
		struct buf text;
		const char *why = "";
		cr_assert(endpoint_parse(&arena, cases[i][0], 5432, &endpoint, &why), "%s %s", cases[i][0], why);
		buf_init(&text);
		endpoint_append(&text, &endpoint);
		cr_expect_str_eq(buf_cstr(&text), cases[i][1]);
		buf_deinit(&text);
	}
	arena_deinit(&arena);
}

Test(endpoint, refuses_what_is_no_address)
{
	static const char *const cases[] = {
		":1", "a:", "a:0", "a:65536", "a:1x", "a:-1", "a: 1", "[]:1", "[::1", "[::1]x", "[zz]:1", "a b", "a/b",
		"::1", "1:2:3", "**", "a*",
	};
	struct arena arena;
	arena_init(&arena);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct endpoint endpoint;
		const char *why = NULL;
		cr_expect_not(endpoint_parse(&arena, cases[i], 5432, &endpoint, &why), "%s", cases[i]);
		cr_expect_not_null(why);
	}
	char text[200];
	struct endpoint endpoint;
	const char *why;
	memset(text, 'x', sizeof(text));
	text[0] = '/';
	text[93] = '\0';
	cr_expect_not(endpoint_parse(&arena, text, 5432, &endpoint, &why), "longer than a socket's path");
	text[92] = '\0';
	cr_expect(endpoint_parse(&arena, text, 5432, &endpoint, &why));
	arena_deinit(&arena);
}

Test(suggest, finds_slips_and_nothing_else)
{
	static const char *const words[] = { "clients", "columns", "deprecated", "to", "live" };
	cr_expect_str_eq(suggest_word("client", words, 5), "clients");
	cr_expect_str_eq(suggest_word("CLIENTS", words, 5), "clients");
	cr_expect_str_eq(suggest_word("colunms", words, 5), "columns");
	cr_expect_str_eq(suggest_word("liev", words, 5), "live");
	cr_expect_str_eq(suggest_word("depricated", words, 5), "deprecated");
	cr_expect_null(suggest_word("zebra", words, 5));
	cr_expect_null(suggest_word("x", words, 5));
	cr_expect_null(suggest_word("", words, 5));
	cr_expect_null(suggest_word("client", words, 0));
}
