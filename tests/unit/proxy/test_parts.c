#include "fakes.h"
#include "proxy/cancel_registry.h"
#include "proxy/close_reason.h"
#include "proxy/login.h"

#include <criterion/criterion.h>
#include <stdlib.h>

Test(pipeline, keeps_order_while_it_grows_and_wraps)
{
	struct pipeline pipeline;
	uint32_t in = 0, out = 0;
	pipeline_init(&pipeline);
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 7; i++)
			pipeline_push(&pipeline, REQUEST_SYNC)->statement = in++;
		for (int i = 0; i < 5; i++) {
			cr_assert_eq(pipeline_head(&pipeline)->statement, out++);
			pipeline_pop(&pipeline);
		}
	}
	while (pipeline.count) {
		cr_assert_eq(pipeline_head(&pipeline)->statement, out++);
		pipeline_pop(&pipeline);
	}
	cr_assert_eq(in, out);
	pipeline_shrink(&pipeline);
	cr_assert_null(pipeline.ring);
	pipeline_deinit(&pipeline);
}

Test(output, a_run_of_the_read_buffer_is_not_copied)
{
	struct buf scratch = { 0 };
	struct output output = output_of(&scratch);
	char bytes[] = "abcdef";
	output_pass(&output, bytes, 2);
	output_pass(&output, bytes + 2, 3);
	cr_assert_eq(output_slice(&output).data, bytes);
	cr_assert(slice_is(output_slice(&output), "abcde"));
	buf_deinit(&scratch);
}

Test(output, what_comes_between_is_gathered_in_order)
{
	struct buf scratch = { 0 };
	struct output output = output_of(&scratch);
	char bytes[] = "abcdef";
	output_pass(&output, bytes, 2);
	buf_append_str(output_own(&output), "XY");
	output_pass(&output, bytes + 2, 1);
	output_pass(&output, bytes + 5, 1);
	cr_assert(slice_is(output_slice(&output), "abXYcf"));
	buf_deinit(&scratch);
}

Test(names, beyond_63_bytes_are_the_same_name)
{
	struct names names;
	char a[80], b[80];
	names_init(&names);
	memset(a, 'x', sizeof(a));
	memset(b, 'x', sizeof(b));
	b[70] = 'y';
	struct name *name = names_hold(&names, slice_of(a, sizeof(a)));
	cr_assert_eq(names_find(&names, slice_of(b, sizeof(b))), name);
	names_release(&names, name);
	cr_assert_null(names.named);
	names_deinit(&names);
}

Test(cancel_registry, finds_by_pid_and_whole_key)
{
	struct cancel_registry *registry = cancel_registry_new();
	struct cancel_target server = { .server.len = 7, .session = 3 }, found;
	char longest[256] = "k";
	struct cancel_entry *entry = cancel_registry_add(registry, 5, slice_str("abcd"), &server);
	struct cancel_entry *other = cancel_registry_add(registry, 5, slice_of(longest, 256), &server);
	cr_assert(cancel_registry_find(registry, 5, slice_str("abcd"), &found));
	cr_assert(found.server.len == 7 && found.session == 3);
	cr_assert(cancel_registry_find(registry, 5, slice_of(longest, 256), &found));
	cr_assert_not(cancel_registry_find(registry, 6, slice_str("abcd"), &found));
	cr_assert_not(cancel_registry_find(registry, 5, slice_str("abc"), &found));
	cr_assert_null(cancel_registry_add(registry, 5, slice_str(""), &server));
	cancel_registry_remove(registry, entry);
	cr_assert_not(cancel_registry_find(registry, 5, slice_str("abcd"), &found));
	cancel_registry_remove(registry, other);
	cancel_registry_free(registry);
}

Test(close_reason, each_has_a_name_and_a_meaning)
{
	for (int i = 0; i < CLOSE_REASON_COUNT; i++) {
		cr_assert_not_null(close_reason_name(i));
		cr_assert_not_null(close_reason_meaning(i));
	}
}

/* ---- login ---- */

static struct login *login;
static struct conversation conversation;
static struct conversation_env env;
static struct traffic traffic;
static struct buf to_server, to_client;

static void begin_login(void)
{
	static const char packet[] = "\0\0\0\x2c\0\3\0\0user\0alice\0options\0-csearch_path=x\0";
	login = login_new(slice_of(packet, 0x2c));
	env.traffic = &traffic;
	conversation_init(&conversation, &env, login_session_state(login, NULL));
}

static void end_login(void)
{
	conversation_deinit(&conversation);
	login_free(login);
	buf_deinit(&to_server);
	buf_deinit(&to_client);
}

TestSuite(login, .init = begin_login, .fini = end_login);

static size_t from_server(const char *data, size_t len, struct slice *out)
{
	struct round round = { output_of(&to_server), output_of(&to_client) };
	size_t taken = login_from_server(login, &conversation, data, len, &round);
	*out = output_slice(&round.to_client);
	return taken;
}

static size_t from_client(const char *data, size_t len, struct slice *out)
{
	struct round round = { output_of(&to_server), output_of(&to_client) };
	size_t taken = login_from_client(login, data, len, &round);
	*out = output_slice(&round.to_server);
	return taken;
}

Test(login, search_path_of_the_startup_packet_is_known)
{
	cr_assert_str_eq(session_state_search_path_text(conversation.vars.confirmed), "x");
	cr_assert_str_eq(session_state_user(conversation.vars.confirmed), "alice");
}

Test(login, what_a_client_sends_ahead_waits)
{
	struct slice out;
	cr_assert_eq(from_client("Q\0\0\0\6a\0", 7, &out), 0);
	cr_assert_eq(out.len, 0);
	cr_assert_eq(login->violation, VIOLATION_NONE);
}

Test(login, only_an_answer_passes_when_the_server_waits_for_one)
{
	struct slice out;
	cr_assert_eq(from_server("R\0\0\0\x8\0\0\0\3", 9, &out), 9);
	cr_assert_eq(out.len, 9);
	cr_assert_eq(from_client("p\0\0\0\x7", 5, &out), 5);
	cr_assert_eq(from_client("pw\0Q\0\0\0\6a\0", 10, &out), 3);
	cr_assert_eq(out.len, 3);
	cr_assert_eq(from_client("Q\0\0\0\6a\0", 7, &out), 0);
}

Test(login, what_is_no_answer_is_left_to_the_server_to_refuse)
{
	struct slice out;
	from_server("R\0\0\0\x8\0\0\0\3", 9, &out);
	cr_assert_eq(from_client("Q\0\0\0\6a\0Q\0\0\0\6a\0", 14, &out), 7);
	from_server("R\0\0\0\x8\0\0\0\3", 9, &out);
	cr_assert_eq(from_client("p\0\0\0\0abcdef", 11, &out), 11);
	cr_assert_eq(from_client("more", 4, &out), 4);
}

Test(login, a_server_that_takes_another_protocol_version_is_refused)
{
	struct slice out;
	login->foreign = true;
	from_server("R\0\0\0\x8\0\0\0\0", 9, &out);
	cr_assert_eq(login->violation, VIOLATION_SERVER);
	cr_assert_eq(out.len, 0);
}

Test(login, channel_binding_is_not_offered)
{
	static const char sasl[] = "R\0\0\0\x2a\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0";
	struct slice out;
	cr_assert_eq(from_server(sasl, 0x2b, &out), 0x2b);
	cr_assert_null(memmem(out.data, out.len, "PLUS", 4));
	cr_assert_not_null(memmem(out.data, out.len, "SCRAM-SHA-256", 13));
	cr_assert(login->wants_answer);
}

Test(login, ends_right_behind_the_first_ready)
{
	static const char bytes[] = "R\0\0\0\x8\0\0\0\0K\0\0\0\xc\0\0\0\5abcdZ\0\0\0\5IN\0\0\0\5";
	struct slice out;
	cr_assert_eq(from_server(bytes, sizeof(bytes) - 1, &out), 9 + 13 + 6);
	cr_assert(login->ready);
	cr_assert_eq(login->pid, 5);
	cr_assert(slice_is(login->key, "abcd"));
}

Test(login, a_server_that_talks_something_else_is_found_out)
{
	struct slice out;
	from_server("HTTP/1.1 400 Bad Request", 24, &out);
	cr_assert_eq(login->violation, VIOLATION_SERVER);
	cr_assert_eq(out.len, 0);
}
