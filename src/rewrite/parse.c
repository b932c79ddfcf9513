#include "rewrite/parse.h"

#include "rewrite/fold.h"
#include "rewrite/nesting.h"

#include <pg_query.h>
#include <pthread.h>
#include <stdlib.h>

/* Exported by the library: how its scanner reads plain string literals. */
extern __thread bool standard_conforming_strings;

enum {
	STACK_RESERVE_BYTES = 512 * 1024, /* for what the thread itself is in the middle of */
	STACK_BYTES_PER_MESSAGE = 2560,	  /* measured: 1.9 kB a level while unpacking */
	MESSAGES_PER_NESTING = 2,
	MESSAGES_AT_LEAST = 12,
};

int parse_grammar_major(void)
{
	return PG_VERSION_NUM / 10000;
}

static size_t stack_left(void)
{
	pthread_attr_t attributes;
	void *low = NULL;
	size_t size = 0;
	char here;
	if (pthread_getattr_np(pthread_self(), &attributes) != 0)
		return 0;
	pthread_attr_getstack(&attributes, &low, &size);
	pthread_attr_destroy(&attributes);
	return &here > (char *)low ? (size_t)(&here - (char *)low) : 0;
}

uint32_t parse_stack_nesting(void)
{
	size_t left = stack_left();
	size_t messages = left > STACK_RESERVE_BYTES ? (left - STACK_RESERVE_BYTES) / STACK_BYTES_PER_MESSAGE : 0;
	return messages > MESSAGES_AT_LEAST ? (uint32_t)((messages - MESSAGES_AT_LEAST) / MESSAGES_PER_NESTING) : 0;
}

static void *tree_alloc(void *arena, size_t size)
{
	return arena_alloc(arena, size);
}

/* The arena frees everything at once. */
static void tree_free(void *arena, void *memory)
{
}

static const PgQuery__ParseResult *unpack(struct arena *arena, PgQueryProtobuf packed)
{
	ProtobufCAllocator allocator = { tree_alloc, tree_free, arena };
	return pg_query__parse_result__unpack(&allocator, packed.len, (const uint8_t *)packed.data);
}

enum parse_status parse_run(struct arena *arena, struct slice text, const struct token_list *tokens,
			    bool standard_strings, struct parse_limits limits, const struct ruleset *ruleset,
			    const PgQuery__ParseResult **tree_out)
{
	if (tokens->status == LEXER_TOO_LONG)
		return PARSE_TOO_LONG;
	if (tokens->status != LEXER_OK)
		return PARSE_REJECTED;
	if (nesting_bound(text, tokens, limits.nesting) >= limits.nesting)
		return PARSE_TOO_DEEP;
	char *copy = arena_alloc(arena, text.len + 1);
	lexer_blank_comments(text, tokens, copy);
	if (text.len > limits.bytes && fold_rows(text, tokens, ruleset, copy) > limits.bytes)
		return PARSE_TOO_LONG;
	standard_conforming_strings = standard_strings;
	PgQueryProtobufParseResult result = pg_query_parse_protobuf(copy);
	standard_conforming_strings = true;
	const PgQuery__ParseResult *tree = result.error ? NULL : unpack(arena, result.parse_tree);
	pg_query_free_protobuf_parse_result(result);
	if (!tree)
		return PARSE_REJECTED;
	*tree_out = tree;
	return PARSE_OK;
}
