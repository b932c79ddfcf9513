#include "wire/startup.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct buf packet_of(uint32_t code, const char *body, size_t len)
{
	struct buf packet = { 0 };
	buf_append_u32(&packet, (uint32_t)(8 + len));
	buf_append_u32(&packet, code);
	buf_append(&packet, body, len);
	return packet;
}

#define SESSION(text) packet_of(3 << 16, text, sizeof(text)) /* the literal's NUL is the terminator */

static enum startup_kind parse(struct buf packet, struct startup_packet *packet_out)
{
	struct error error;
	return startup_parse(buf_slice(&packet), packet_out, &error);
}

Test(startup, parameters_are_found_and_database_defaults_to_user)
{
	struct startup_packet packet;
	struct buf bytes = SESSION("user\0alice\0application_name\0psql\0");
	cr_assert_eq(parse(bytes, &packet), STARTUP_SESSION);
	cr_assert(slice_is(packet.user, "alice"));
	cr_assert(slice_is(packet.database, "alice"));
	cr_assert_not(packet.replication);
	cr_assert_eq(packet.size, bytes.len);
	buf_deinit(&bytes);
}

Test(startup, names_are_cut_where_the_server_cuts_them)
{
	struct startup_packet packet;
	char long_name[80] = "user";
	struct buf body = { 0 };
	buf_append(&body, "user", 5);
	memset(long_name, 'x', 79);
	long_name[79] = 0;
	buf_append(&body, long_name, 80);
	buf_append_byte(&body, 0);
	struct buf bytes = packet_of(3 << 16, body.data, body.len);
	cr_assert_eq(parse(bytes, &packet), STARTUP_SESSION);
	cr_assert_eq(packet.database.len, 63);
	buf_deinit(&body);
	buf_deinit(&bytes);
}

Test(startup, every_beginning_of_a_packet_is_incomplete)
{
	struct startup_packet packet;
	struct error error;
	struct buf bytes = SESSION("user\0alice\0");
	for (size_t len = 0; len < bytes.len; len++) {
		char *copy = malloc(len + 1); /* so that a sanitizer sees each byte too many */
		memcpy(copy, bytes.data, len);
		cr_assert_eq(startup_parse(slice_of(copy, len), &packet, &error), STARTUP_INCOMPLETE);
		free(copy);
	}
	buf_deinit(&bytes);
}

Test(startup, lengths_beyond_the_servers_limits_are_refused_at_once)
{
	static const uint8_t lengths[][4] = { { 0, 0, 0, 0 }, { 0, 0, 0, 7 }, { 0, 0, 0x27, 0x15 },
					      { 0xff, 0xff, 0xff, 0xff }, { 'G', 'E', 'T', ' ' }, { 0x16, 3, 1, 2 } };
	struct startup_packet packet;
	struct error error;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct slice data = slice_of((const char *)lengths[i], 4);
		cr_assert_eq(startup_parse(data, &packet, &error), STARTUP_INVALID, "length %zu", i);
		cr_assert_str_eq(error.sqlstate, "08P01");
	}
}

Test(startup, malformed_parameters_are_refused)
{
	struct startup_packet packet;
	struct buf bad[] = {
		packet_of(3 << 16, "", 0),		     /* no terminator */
		packet_of(3 << 16, "user", 4),		     /* name without NUL */
		packet_of(3 << 16, "user\0alice", 10),	     /* value without NUL */
		packet_of(3 << 16, "user\0", 5),	     /* no value at all */
		packet_of(3 << 16, "user\0a\0\0rest\0x\0\0", 17), /* bytes after the terminator */
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(parse(bad[i], &packet), STARTUP_INVALID, "case %zu", i);
		buf_deinit(&bad[i]);
	}
}

Test(startup, other_versions_are_left_to_the_server)
{
	struct startup_packet packet;
	struct buf two = packet_of(2 << 16, "anything", 8);
	cr_assert_eq(parse(two, &packet), STARTUP_FOREIGN);
	cr_assert_eq(packet.major, 2);
	buf_deinit(&two);
}

Test(startup, requests_for_encryption_and_cancel_are_told_apart)
{
	struct startup_packet packet;
	struct buf ssl = packet_of(80877103, "", 0), gss = packet_of(80877104, "", 0);
	struct buf cancel = packet_of(80877102, "\0\0\1\2abcd", 8), bad = packet_of(80877102, "\0\0\1\2abc", 7);
	cr_assert_eq(parse(ssl, &packet), STARTUP_SSL);
	cr_assert_eq(parse(gss, &packet), STARTUP_GSSENC);
	cr_assert_eq(parse(cancel, &packet), STARTUP_CANCEL);
	cr_assert_eq(packet.cancel_pid, 258);
	cr_assert(slice_is(packet.cancel_key, "abcd"));
	cr_assert_eq(parse(bad, &packet), STARTUP_INVALID);
	buf_deinit(&ssl);
	buf_deinit(&gss);
	buf_deinit(&cancel);
	buf_deinit(&bad);
}

Test(startup, cancel_keys_may_have_256_bytes_and_no_more)
{
	struct startup_packet packet;
	char key[4 + 257] = { 0 };
	struct buf longest = packet_of(80877102, key, 4 + 256), longer = packet_of(80877102, key, 4 + 257);
	cr_assert_eq(parse(longest, &packet), STARTUP_CANCEL);
	cr_assert_eq(packet.cancel_key.len, 256);
	cr_assert_eq(parse(longer, &packet), STARTUP_INVALID);
	buf_deinit(&longest);
	buf_deinit(&longer);
}

Test(startup, replication_is_what_the_server_takes_for_true)
{
	static const struct {
		const char *value;
		bool replication;
	} cases[] = { { "true", true }, { "on", true }, { "1", true }, { "database", true }, { "YES", true }, { "t", true },
		      { "false", false }, { "off", false }, { "0", false }, { "no", false }, { "rubbish", true } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct startup_packet packet;
		struct buf body = { 0 };
		buf_append(&body, "user\0a\0replication", 19);
		buf_append(&body, cases[i].value, strlen(cases[i].value) + 1);
		buf_append_byte(&body, 0);
		struct buf bytes = packet_of(3 << 16, body.data, body.len);
		cr_assert_eq(parse(bytes, &packet), STARTUP_SESSION);
		cr_assert_eq(packet.replication, cases[i].replication, "%s", cases[i].value);
		buf_deinit(&body);
		buf_deinit(&bytes);
	}
}

static void expect_setting(struct buf bytes, const char *expected)
{
	struct startup_packet packet;
	struct buf value = { 0 };
	cr_assert_eq(parse(bytes, &packet), STARTUP_SESSION);
	bool found = startup_setting(&packet, "search_path", &value);
	cr_assert_eq(found, expected != NULL);
	if (expected)
		cr_assert_str_eq(buf_cstr(&value), expected);
	buf_deinit(&value);
	buf_deinit(&bytes);
}

Test(startup, settings_come_from_parameters_and_options)
{
	expect_setting(SESSION("user\0a\0"), NULL);
	expect_setting(SESSION("user\0a\0search_path\0x, y\0"), "x, y");
	expect_setting(SESSION("user\0a\0Search_Path\0x\0"), "x");
	expect_setting(SESSION("user\0a\0options\0-c search_path=x,y\0"), "x,y");
	expect_setting(SESSION("user\0a\0options\0-csearch_path=x\0"), "x");
	expect_setting(SESSION("user\0a\0options\0--search-path=x -c geqo=off\0"), "x");
	expect_setting(SESSION("user\0a\0options\0-c search_path=a\\ b\\,\\\\c\0"), "a b,\\c");
	expect_setting(SESSION("user\0a\0options\0-c search_path=x --search_path=y\0"), "y");
	expect_setting(SESSION("user\0a\0options\0-c\0"), NULL);
	expect_setting(SESSION("user\0a\0options\0-c search_pathology=x\0"), NULL);
	expect_setting(SESSION("user\0a\0options\0-c search_path=x\\\0"), "x");
}

Test(startup, parameters_win_over_options)
{
	expect_setting(SESSION("user\0a\0search_path\0p\0options\0-c search_path=o\0"), "p");
}
