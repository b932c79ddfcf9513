/* Comments that say where a statement comes from, and those that only look like it. */
#include "rewrite/origin.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct origin origin;

static bool reads(const char *sql)
{
	memset(&origin, 'x', sizeof(origin));
	bool found = origin_read(slice_str(sql), &origin);
	cr_assert(!found || origin_is_likely(slice_str(sql)));
	return found;
}

static void expect(const char *application, const char *controller, const char *route, const char *action)
{
	cr_expect_str_eq(origin.values[ORIGIN_APPLICATION], application);
	cr_expect_str_eq(origin.values[ORIGIN_CONTROLLER], controller);
	cr_expect_str_eq(origin.values[ORIGIN_ROUTE], route);
	cr_expect_str_eq(origin.values[ORIGIN_ACTION], action);
}

Test(origin, reads_the_four_keys_and_leaves_out_others)
{
	cr_assert(reads("SELECT 1 /*action='show',application='shop',controller='orders',db_driver='x',"
			"route='%2Forders%2F%3Aid',traceparent='00-5bd6-01'*/"));
	expect("shop", "orders", "/orders/:id", "show");
}

Test(origin, may_stand_before_a_semicolon_and_have_spaces)
{
	cr_assert(reads("SELECT 1 /* controller = 'a' , action='b' */ ;\n "));
	expect("", "a", "", "b");
}

Test(origin, decodes_escapes_and_keeps_no_nul)
{
	cr_assert(reads("SELECT 1 /*route='it\\'s%00%zz%4'*/"));
	expect("", "", "it's %zz%4", "");
}

Test(origin, is_only_at_the_end)
{
	cr_assert_not(reads("/*controller='a'*/ SELECT 1"));
	cr_assert_not(reads("SELECT 1 /*controller='a'*/ + 2"));
	cr_assert_not(reads("SELECT 1 -- controller='a'"));
}

Test(origin, other_comments_are_none)
{
	static const char *const texts[] = { "SELECT 1 /* see ticket 5 */", "SELECT 1 /**/", "SELECT 1 /*'*/",
					     "SELECT 1 /*controller='a*/", "SELECT 1 /*controller=a*/",
					     "SELECT 1 /*controller='a',*/", "SELECT 1 /*='a'*/", "SELECT 1 /*a='b'*/",
					     "SELECT 1 /*controller='a' b*/", "*/", "/*/", "", ";", "SELECT 1 /*controller='\\*/",
					     "SELECT 1 /*controller=''*/", "SELECT 1 /*controller='a',controller=''*/" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		cr_expect_not(reads(texts[i]), "%s", texts[i]);
}

Test(origin, long_values_are_cut_and_long_comments_ignored)
{
	char sql[9000];
	memset(sql, 'v', sizeof(sql));
	memcpy(sql, "x /*route='", 11);
	strcpy(sql + 1000, "'*/");
	cr_assert(reads(sql));
	cr_assert_eq(strlen(origin.values[ORIGIN_ROUTE]), ORIGIN_VALUE_BYTES - 1);
	sql[1000] = sql[1001] = sql[1002] = sql[1003] = 'v';
	strcpy(sql + 8000, "'*/");
	cr_assert_not(reads(sql));
}

Test(origin, hash_tells_origins_apart)
{
	cr_assert(reads("x /*controller='a'*/"));
	uint64_t hash = origin.hash;
	cr_assert(reads("SELECT 2 /*db='z',controller='a'*/"));
	cr_assert_eq(origin.hash, hash);
	cr_assert(reads("x /*action='a'*/"));
	cr_assert_neq(origin.hash, hash);
}

/* Whatever bytes come, in a block of exactly their size. */
Test(origin, hostile_bytes_do_no_harm)
{
	static const char parts[] = "/*'\\=,%4c;-_ controller route\0";
	srand(7);
	for (int i = 0; i < 200000; i++) {
		size_t len = (size_t)rand() % 60 + 4;
		char *text = malloc(len);
		for (size_t k = 0; k < len; k++)
			text[k] = parts[(size_t)rand() % sizeof(parts)];
		memcpy(text + len - 2, "*/", 2);
		if (i & 1)
			memcpy(text, "/*", 2);
		origin_is_likely(slice_of(text, len));
		origin_read(slice_of(text, len), &origin);
		free(text);
	}
}
