#include "auth/base64.h"

#include <criterion/criterion.h>

static bool decodes_to(const char *text, const char *want, size_t len)
{
	struct buf out = { 0 };
	bool ok = base64_decode(slice_str(text), &out) && out.len == len && memcmp(out.data, want, len) == 0;
	buf_deinit(&out);
	return ok;
}

Test(base64, gives_back_what_went_in_at_every_length)
{
	char data[70];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 37 + 200);
	for (size_t len = 1; len <= sizeof(data); len++) {
		struct buf text = { 0 };
		base64_append(&text, data, len);
		cr_assert_eq(text.len, (len + 2) / 3 * 4);
		cr_assert(decodes_to(buf_cstr(&text), data, len), "%zu bytes", len);
		buf_deinit(&text);
	}
}

Test(base64, takes_the_one_right_form_only)
{
	static const char *const wrong[] = { "A", "AA", "AAA", "AA=A", "A===", "====", "AAAA=", "AAAA====", "AB==",
					     "AAB=", "AA A", "AAA\n", "AA-_", "=AAA", "AA==AAAA" };
	struct buf out = { 0 };
	buf_append_str(&out, "kept");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		cr_assert_not(base64_decode(slice_str(wrong[i]), &out), "%s", wrong[i]);
		cr_assert_eq(out.len, 4);
	}
	cr_assert_not(base64_decode(slice_of("A\0AA", 4), &out));
	buf_deinit(&out);
	cr_assert(decodes_to("AA==", "\0", 1));
	cr_assert(decodes_to("+/8=", "\xfb\xff", 2));
}
