#include "usage/text.h"

#include <criterion/criterion.h>

static void expect(const char *in, size_t capacity, const char *want)
{
	char out[64];
	size_t len = usage_text_clean(slice_str(in), out, capacity);
	cr_assert_str_eq(out, want);
	cr_assert_eq(len, strlen(want));
}

Test(text, keeps_utf8_and_replaces_what_is_none)
{
	expect("na\xc3\xafve \xe2\x82\xac", 64, "na\xc3\xafve \xe2\x82\xac");
	expect("caf\xe9 \xff", 64, "caf? ?");
	expect("\xed\xa0\x80", 64, "???"); /* a surrogate */
	expect("\xc0\xaf", 64, "??");	   /* overlong */
	expect("cut \xe2\x82", 64, "cut ??");
}

Test(text, controls_cannot_reach_a_terminal)
{
	expect("a\x1b[31mb\nc\x7f", 64, "a [31mb c ");
	expect("a\xc2\x9b" "31m", 64, "a 31m");
}

Test(text, cuts_at_a_characters_edge_and_says_so)
{
	expect("abcdefgh", 9, "abcdefgh");
	expect("abcdefghi", 9, "abcde...");
	expect("abc\xc3\xa9\xc3\xa9\xc3\xa9", 9, "abc\xc3\xa9...");
	expect("", 9, "");
}
