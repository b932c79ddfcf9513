#include "model/name.h"

#include <criterion/criterion.h>

static void expect_quoted(const char *name, const char *want)
{
	struct buf out;
	buf_init(&out);
	name_append_quoted(&out, name);
	cr_assert_str_eq(buf_cstr(&out), want);
	buf_deinit(&out);
}

Test(name, quotes_what_the_server_would_fold_or_reject)
{
	expect_quoted("prices", "prices");
	expect_quoted("Prices", "\"Prices\"");
	expect_quoted("select", "\"select\"");
	expect_quoted("a b", "\"a b\"");
	expect_quoted("a\"b", "\"a\"\"b\"");
	expect_quoted("1st", "\"1st\"");
	expect_quoted("종목", "\"종목\"");
	expect_quoted("", "\"\"");
}

static void expect_list(const char *text, const char *want)
{
	struct arena arena;
	struct name_list list;
	char got[512] = "";
	arena_init(&arena);
	if (!name_list_parse(&arena, slice_str(text), &list)) {
		strcpy(got, "malformed");
	} else {
		for (size_t i = 0; i < list.count; i++) {
			strcat(got, list.names[i]);
			strcat(got, "|");
		}
	}
	cr_assert_str_eq(got, want, "%s: got %s", text, got);
	arena_deinit(&arena);
}

Test(name, reads_search_path_lists_as_the_server_does)
{
	expect_list("\"$user\", public", "$user|public|");
	expect_list("Data,PUBLIC", "data|public|");
	expect_list(" \"Mixed\"\"Case\" ", "Mixed\"Case|");
	expect_list("", "");
	expect_list("\"\"", "|");
	expect_list("\"\", a", "|a|");
	expect_list("a,", "malformed");
	expect_list("a b", "malformed");
	expect_list("\"open", "malformed");
	expect_list(",a", "malformed");
}

Test(name, cuts_identifiers_at_63_bytes_and_whole_characters)
{
	struct arena arena;
	struct name_list list;
	arena_init(&arena);
	char text[100];
	memset(text, 'a', sizeof(text));
	cr_assert(name_list_parse(&arena, slice_of(text, 80), &list));
	cr_assert_eq(strlen(list.names[0]), 63);
	memcpy(text + 62, "\xed\x95\x9c", 3);
	cr_assert(name_list_parse(&arena, slice_of(text, 80), &list));
	cr_assert_eq(strlen(list.names[0]), 62);
	arena_deinit(&arena);
}
