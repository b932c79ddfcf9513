/*
 * One transaction of pgbench -S through a session after login, on plain
 * buffers: all that the proxy does for it but the system calls and the loop.
 */
#include "cases.h"

#include "proxy/conversation.h"
#include "ruleset.h"

#include <stdlib.h>

enum { MESSAGE_BYTES = 1 << 20, PIPELINE = 1000 };

struct context {
	struct ruleset *ruleset;
	struct conversation_env env;
	struct traffic traffic;
	struct conversation conversation;
	struct buf to_server, to_client;
	size_t looked; /* rounds whose text to the server was searched: doing so costs as much as all the rest */
};

enum { LOOKS = 50 };

static uint64_t facts_stale(void *context, const char *database)
{
	return 0;
}

static void *prepare(bool mapped)
{
	struct context *context = calloc(1, sizeof(*context));
	context->ruleset = mapped ? micro_ruleset_new() : NULL;
	context->env = (struct conversation_env){ .rewriter = rewriter_new(rewriter_settings_default()),
						  .traffic = &context->traffic,
						  .message_bytes = MESSAGE_BYTES,
						  .pipeline = PIPELINE,
						  .facts_stale = facts_stale };
	conversation_init(&context->conversation, &context->env, session_state_new("bench", "app", "public"));
	context->conversation.published = &context->ruleset;
	context->conversation.who = (struct usage_who){ "bench", "app", "micro", "local" };
	conversation_adopt_ruleset(&context->conversation);
	buf_init(&context->to_server);
	buf_init(&context->to_client);
	return context;
}

static void *prepare_mapped(void)
{
	return prepare(true);
}

static void *prepare_empty(void)
{
	return prepare(false);
}

static void finish(void *opaque)
{
	struct context *context = opaque;
	conversation_deinit(&context->conversation);
	rewriter_free(context->env.rewriter);
	ruleset_unref(context->ruleset);
	buf_deinit(&context->to_server);
	buf_deinit(&context->to_client);
	free(context);
}

/* All bytes are taken, all are passed on, and the server gets `expected`. */
static bool exchange(struct context *context, struct slice client, struct slice server, const char *expected)
{
	struct round round = { output_of(&context->to_server), output_of(&context->to_client) };
	size_t taken = conversation_from_client(&context->conversation, client.data, client.len, &round);
	struct slice sent = output_slice(&round.to_server);
	bool right = taken == client.len && sent.len;
	if (context->looked++ < LOOKS)
		right = right && memmem(sent.data, sent.len, expected, strlen(expected));

	round = (struct round){ output_of(&context->to_server), output_of(&context->to_client) };
	taken = conversation_from_server(&context->conversation, server.data, server.len, &round);
	struct slice answered = output_slice(&round.to_client);
	return right && taken == server.len && slice_eq(answered, server);
}

#define BYTES(text) slice_of(text, sizeof(text) - 1)
#define QUERY BYTES("Q\0\0\0\x3aSELECT abalance FROM pgbench_accounts WHERE aid = 42;\0")
#define ROW "D\0\0\0\x0b\0\1\0\0\0\1" "0"
#define TAG "C\0\0\0\x0dSELECT 1\0"
#define READY "Z\0\0\0\5I"
#define HEADINGS "T\0\0\0\x21\0\1abalance\0\0\0\x40\x01\0\4\0\0\0\x17\0\4\xff\xff\xff\xff\0\0"

static bool rewritten(void *opaque, uint64_t number)
{
	return exchange(opaque, QUERY, BYTES(HEADINGS ROW TAG READY), "elsewhere.pgbench_accounts");
}

static bool passed(void *opaque, uint64_t number)
{
	return exchange(opaque, QUERY, BYTES(HEADINGS ROW TAG READY), "FROM pgbench_accounts");
}

/* Bind, Execute and Sync of a statement that was prepared in the first round. */
static bool prepared(void *opaque, uint64_t number)
{
	static const char parse[] = "P\0\0\0\x3fP0\0SELECT abalance FROM pgbench_accounts WHERE aid = $1;\0\0\0";
	if (number == 0 && !exchange(opaque, slice_of(parse, sizeof(parse) - 1), BYTES("1\0\0\0\4"),
				     "elsewhere.pgbench_accounts"))
		return false;
	return exchange(opaque,
			BYTES("B\0\0\0\x14\0P0\0\0\0\0\1\0\0\0\2" "42" "\0\0"
			      "E\0\0\0\x09\0\0\0\0\0" "S\0\0\0\4"),
			BYTES("2\0\0\0\4" ROW TAG READY), "P0");
}

const struct micro_case micro_conversation_cases[] = {
	{ "session-rewritten", "a whole pgbench -S transaction without system calls, rewritten", prepare_mapped,
	  rewritten, finish },
	{ "session-prepared", "the same, prepared", prepare_mapped, prepared, finish },
	{ "session-empty", "the same, without a map", prepare_empty, passed, finish },
	{ 0 },
};
