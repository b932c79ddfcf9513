/*
 * A session after its login, with a hostile client and a hostile server. The
 * rewriter is the unit tests' own (fakes.h): a text beginning with "old "
 * must be rewritten. Whatever both sides do, no such text reaches the server.
 *
 * Besides 'c' and server records there are: 'm' public.a moves to data.a or back,
 * 'l' the catalog was looked at.
 */
#include "../unit/proxy/fakes.h"
#include "dialogue.h"
#include "fuzz.h"
#include "proxy/conversation.h"

#include <stdlib.h>

struct table {
	struct conversation conversation;
	struct conversation_env env;
	struct traffic traffic;
	struct ruleset *rules[2]; /* before and after the move */
	unsigned moves;
	struct ruleset *published;
	uint64_t ticket;
	struct buf scratch[2], rest[2];
	struct buf sent; /* all that reached the server */
};

static uint64_t on_stale(void *context, const char *database)
{
	return ++((struct table *)context)->ticket;
}

static void must(bool holds)
{
	if (!holds)
		abort();
}

static struct ruleset *build_rules(uint64_t version, bool moved)
{
	struct map *map = map_new();
	struct facts *facts = facts_new();
	struct ruleset *ruleset = NULL;
	struct error error;
	map->entries = ARENA_NEW(&map->arena, struct map_entry);
	map->entry_count = 1;
	map->entries[0] = (struct map_entry){ .kind = MAP_MOVE, .old_name = { "public", "a" },
					      .new_name = { "data", "a" }, .group = -1 };
	facts_add_relation(facts, moved ? map->entries[0].new_name : map->entries[0].old_name, FACT_TABLE, 0);
	facts_seal(facts);
	must(ruleset_build(map, NULL, facts, (struct policy){ 0 }, version, NULL, NULL, &ruleset, &error));
	map_unref(map);
	facts_unref(facts);
	return ruleset;
}

static void sit_down(struct table *table, bool path_is_known)
{
	*table = (struct table){ 0 };
	for (int i = 0; i < 2; i++)
		table->rules[i] = build_rules((uint64_t)i + 1, i);
	table->published = table->rules[0];
	table->env = (struct conversation_env){ .rewriter = rewriter_new(rewriter_settings_default()),
						.counter = usage_counter_new(NULL), .traffic = &table->traffic,
						.message_bytes = 300, .pipeline = 8, .facts_stale = on_stale,
						.context = table, .texts = texts_new(), .prepared_bytes = 200,
						.retry_bytes = 200 };
	conversation_init(&table->conversation, &table->env,
			  session_state_new("db", "alice", path_is_known ? "public" : NULL));
	table->conversation.published = &table->published;
	conversation_adopt_ruleset(&table->conversation);
}

static void feed(struct table *table, bool client)
{
	struct buf *rest = &table->rest[client];
	bool retries = retry_pending(&table->conversation.retry);
	struct round round = { output_of(&table->scratch[0]), output_of(&table->scratch[1]) };
	size_t taken = client ? conversation_from_client(&table->conversation, rest->data, rest->len, &round) :
				conversation_from_server(&table->conversation, rest->data, rest->len, &round);
	must(taken <= rest->len);
	must(table->conversation.pipeline.count <= table->env.pipeline + 20);
	must(!client || retries || !output_slice(&round.to_client).len);
	must(table->conversation.texts.bytes <= table->env.prepared_bytes);
	must(table->conversation.retry.kept.len <= table->env.retry_bytes);
	buf_append_slice(&table->sent, output_slice(&round.to_server));
	buf_consume(rest, taken);
}

static bool is_unrewritten(struct slice sql)
{
	return sql.len >= 4 && memcmp(sql.data, "old ", 4) == 0;
}

static void check_sent(const struct buf *sent)
{
	size_t at = 0;
	while (sent->len - at >= FRAME_HEAD_BYTES) {
		struct frame frame = frame_peek(sent->data + at);
		struct slice sql;
		struct parse_message parse;
		must(frame_valid(frame));
		if (frame.size > sent->len - at)
			return; /* still streaming */
		struct slice body = frame_body(sent->data + at, frame);
		if (frame.type == CLIENT_QUERY && query_read(body, &sql))
			must(!is_unrewritten(sql));
		if (frame.type == CLIENT_PARSE && parse_read(body, &parse))
			must(!is_unrewritten(parse.sql));
		at += frame.size;
	}
}

static void stand_up(struct table *table)
{
	conversation_deinit(&table->conversation);
	must(fake_rewrites_alive == 0);
	usage_counter_free(table->env.counter);
	texts_free(table->env.texts);
	for (int i = 0; i < 2; i++)
		ruleset_unref(table->rules[i]);
	rewriter_free(table->env.rewriter);
	for (int i = 0; i < 2; i++) {
		buf_deinit(&table->scratch[i]);
		buf_deinit(&table->rest[i]);
	}
	buf_deinit(&table->sent);
}

/* What others do. */
static void happen(struct table *table, char kind)
{
	if (kind == 'm')
		table->published = table->rules[++table->moves % 2];
	conversation_adopt_ruleset(&table->conversation);
	if (kind == 'l') {
		conversation_looked(&table->conversation, table->ticket);
		conversation_fact_arrived(&table->conversation);
	}
	if (!conversation_held(&table->conversation))
		feed(table, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct table table;
	struct slice rest = slice_of((const char *)data, size), bytes;
	bool client;
	if (!size)
		return 0;
	rest.data++;
	rest.len--;
	sit_down(&table, data[0] & 1);
	while (!table.conversation.violation && rest.len) {
		char kind = rest.data[0];
		if (!dialogue_next(&rest, &client, &bytes))
			break;
		if (kind == 'm' || kind == 'l') {
			happen(&table, kind);
			continue;
		}
		buf_append_slice(&table.rest[client], bytes);
		feed(&table, client);
		if (!client && !conversation_held(&table.conversation))
			feed(&table, true);
		if (bytes.len == 0)
			conversation_fact_arrived(&table.conversation);
	}
	check_sent(&table.sent);
	stand_up(&table);
	return 0;
}
