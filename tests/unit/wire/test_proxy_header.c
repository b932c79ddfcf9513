/* What load balancers send first, whole, in pieces, and as attackers would. */
#include "wire/proxy_header.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct proxy_header header;

static enum proxy_header_kind parse(const void *data, size_t len)
{
	char *exact = malloc(len ? len : 1); /* a byte beyond is an error of memory */
	memcpy(exact, data, len);
	memset(&header, 0x5a, sizeof(header));
	enum proxy_header_kind kind = proxy_header_parse(slice_of(exact, len), &header);
	free(exact);
	return kind;
}

static void expect_v1(const char *text, const char *address)
{
	size_t len = strlen(text);
	char more[256];
	for (size_t i = 0; i < len; i++)
		cr_assert_eq(parse(text, i), PROXY_HEADER_INCOMPLETE, "%zu bytes of %s", i, text);
	memcpy(more, text, len);
	memcpy(more + len, "rest", 4);
	cr_assert_eq(parse(more, len + 4), *address ? PROXY_HEADER_ADDRESS : PROXY_HEADER_NONE, "%s", text);
	cr_assert_eq(header.size, len);
	cr_assert_str_eq(header.address, address);
}

Test(proxy_header, reads_version_1)
{
	expect_v1("PROXY TCP4 192.0.2.7 192.0.2.1 56324 5432\r\n", "192.0.2.7");
	expect_v1("PROXY TCP6 2001:DB8:0::7 ::1 56324 5432\r\n", "2001:db8::7");
	expect_v1("PROXY UNKNOWN\r\n", "");
	expect_v1("PROXY UNKNOWN ffff:f...f:ffff 65535 whatever\r\n", "");
}

Test(proxy_header, refuses_what_is_no_version_1)
{
	static const char *const wrong[] = {
		"GET / HTTP/1.1\r\n", "proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n", "PROXY\r\n", "PROXY \r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n",
		"PROXY TCP4 1.2.3 1.2.3.4 1 1\r\n", "PROXY TCP4 ::1 ::1 1 1\r\n", "PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n",
		"PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n", "PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n",
		"PROXY TCP4 1.2.3.4' 1.2.3.4 1 1\r\n",
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		cr_expect_eq(parse(wrong[i], strlen(wrong[i])), PROXY_HEADER_INVALID, "%s", wrong[i]);
	char endless[4096];
	memset(endless, 'x', sizeof(endless));
	memcpy(endless, "PROXY UNKNOWN ", 14);
	cr_expect_eq(parse(endless, 106), PROXY_HEADER_INCOMPLETE);
	cr_expect_eq(parse(endless, 107), PROXY_HEADER_INVALID);
	cr_expect_eq(parse(endless, sizeof(endless)), PROXY_HEADER_INVALID);
	cr_expect_eq(parse("\0\0\0\x08\x04\xd2\x16\x2f", 8), PROXY_HEADER_INVALID); /* a startup packet */
}

static size_t build_v2(uint8_t command, uint8_t family, size_t body, uint8_t *out)
{
	static const uint8_t signature[12] = { 13, 10, 13, 10, 0, 13, 10, 'Q', 'U', 'I', 'T', 10 };
	memcpy(out, signature, 12);
	out[12] = command;
	out[13] = family;
	out[14] = (uint8_t)(body >> 8);
	out[15] = (uint8_t)body;
	for (size_t i = 0; i < body; i++)
		out[16 + i] = (uint8_t)(i + 1);
	return 16 + body;
}

static void expect_v2(uint8_t command, uint8_t family, size_t body, enum proxy_header_kind kind, const char *address)
{
	static uint8_t data[70000];
	size_t len = build_v2(command, family, body, data);
	for (size_t i = 0; i < len && kind != PROXY_HEADER_INVALID; i += i < 20 ? 1 : 97)
		cr_assert_eq(parse(data, i), PROXY_HEADER_INCOMPLETE, "%zu of %zu bytes", i, len);
	cr_assert_eq(parse(data, len), kind, "%02x %02x %zu", command, family, body);
	if (kind == PROXY_HEADER_INVALID)
		return;
	cr_assert_eq(header.size, len);
	cr_assert_str_eq(header.address, address);
}

Test(proxy_header, reads_version_2_and_skips_what_follows_the_address)
{
	expect_v2(0x21, 0x11, 12, PROXY_HEADER_ADDRESS, "1.2.3.4");
	expect_v2(0x21, 0x11, 12 + 300, PROXY_HEADER_ADDRESS, "1.2.3.4");
	expect_v2(0x21, 0x21, 36, PROXY_HEADER_ADDRESS, "102:304:506:708:90a:b0c:d0e:f10");
	expect_v2(0x21, 0x31, 216, PROXY_HEADER_ADDRESS, "local");
	expect_v2(0x21, 0x00, 0, PROXY_HEADER_NONE, "");
	expect_v2(0x20, 0x11, 12, PROXY_HEADER_NONE, "");
	expect_v2(0x20, 0x00, 0, PROXY_HEADER_NONE, "");
	expect_v2(0x21, 0x11, 2048, PROXY_HEADER_ADDRESS, "1.2.3.4");
}

Test(proxy_header, refuses_what_is_no_version_2)
{
	expect_v2(0x21, 0x11, 11, PROXY_HEADER_INVALID, NULL);
	expect_v2(0x21, 0x21, 35, PROXY_HEADER_INVALID, NULL);
	expect_v2(0x21, 0x31, 215, PROXY_HEADER_INVALID, NULL);
	expect_v2(0x21, 0x41, 500, PROXY_HEADER_INVALID, NULL);
	expect_v2(0x22, 0x11, 12, PROXY_HEADER_INVALID, NULL);
	expect_v2(0x11, 0x11, 12, PROXY_HEADER_INVALID, NULL);
	expect_v2(0x21, 0x11, 2049, PROXY_HEADER_INVALID, NULL);
	expect_v2(0x21, 0x11, 65535, PROXY_HEADER_INVALID, NULL);
}

Test(proxy_header, random_bytes_do_no_harm)
{
	uint8_t data[64];
	srand(11);
	for (int i = 0; i < 200000; i++) {
		size_t len = build_v2((uint8_t)(0x20 + rand() % 3), (uint8_t)rand(), (size_t)rand() % 40, data);
		if (i % 3 == 0)
			len = (size_t)sprintf((char *)data, "PROXY TCP%d 1.%d.3.4 ::%x %d 1\r\n", rand() % 9, rand() % 300,
					      rand() % 70000, rand() % 70000);
		data[(size_t)rand() % len] = (uint8_t)rand();
		parse(data, (size_t)rand() % (len + 1));
	}
}
