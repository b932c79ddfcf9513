/*
 * Within a group (parentheses, brackets, CASE … END, the statement itself)
 * every word and operator can put one level on top of what stands before or
 * after it, so an element's depth is at most their number plus the depth of
 * the deepest group in it. Commas, AND, OR and the arms of CASE separate
 * elements whose depths do not add up; joins and set operations add up over
 * all of them.
 */
#include "rewrite/nesting.h"

#include "base/memory.h"
#include "rewrite/words.h"

#include <stdlib.h>

struct group {
	uint32_t element; /* words and operators of the current element */
	uint32_t deepest_group; /* in the current element */
	uint32_t deepest_element;
	uint32_t chain;	  /* joins and set operations */
	uint32_t between; /* BETWEENs that wait for their AND */
	bool is_case;
};

enum { GROUP_LEVELS = 2, BOOLEAN_LEVELS = 2 };

struct nest {
	struct group *groups;
	size_t depth, capacity;
	uint32_t most;
};

static void end_element(struct group *group)
{
	uint32_t depth = group->element + group->deepest_group;
	if (depth > group->deepest_element)
		group->deepest_element = depth;
	group->element = group->deepest_group = 0;
}

static uint32_t group_depth(struct group *group)
{
	end_element(group);
	return group->deepest_element + group->chain + GROUP_LEVELS + BOOLEAN_LEVELS;
}

static void open_group(struct nest *nest, bool is_case)
{
	if (nest->depth == nest->capacity) {
		nest->capacity = nest->capacity ? nest->capacity * 2 : 32;
		nest->groups = memory_realloc(nest->groups, nest->capacity * sizeof(*nest->groups));
	}
	nest->groups[nest->depth++] = (struct group){ .is_case = is_case };
}

static void close_group(struct nest *nest)
{
	uint32_t depth = group_depth(&nest->groups[nest->depth - 1]);
	struct group *outer = &nest->groups[--nest->depth - 1];
	if (depth > outer->deepest_group)
		outer->deepest_group = depth;
}

/* A parenthesis ends every CASE that was left open inside it. */
static void close_parenthesis(struct nest *nest)
{
	while (nest->depth > 1 && nest->groups[nest->depth - 1].is_case)
		close_group(nest);
	if (nest->depth > 1)
		close_group(nest);
}

static void on_word(struct nest *nest, unsigned flags)
{
	struct group *group = &nest->groups[nest->depth - 1];
	if (flags & WORD_CASE) {
		open_group(nest, true);
	} else if ((flags & WORD_END) && group->is_case) {
		close_group(nest);
	} else if ((flags & WORD_ARM) && group->is_case) {
		end_element(group);
	} else if (flags & WORD_CHAIN) {
		group->chain++;
	} else if ((flags & WORD_LIMITS) && group->between == 0) {
		end_element(group);
	} else {
		group->element++;
		if (flags & WORD_BETWEEN)
			group->between++;
		else if ((flags & WORD_LIMITS) && group->between)
			group->between--;
	}
}

static void on_punctuation(struct nest *nest, char c, uint32_t len)
{
	if (c == '(' || c == '[')
		open_group(nest, false);
	else if (c == ')' || c == ']')
		close_parenthesis(nest);
	else if (c == ',' || c == ';')
		end_element(&nest->groups[nest->depth - 1]);
	else if (len == 2)
		nest->groups[nest->depth - 1].element++;
}

/* After a dot or AS any word is a name. */
static bool is_plain_name(struct slice text, const struct token_list *tokens, size_t i)
{
	if (i == 0)
		return false;
	const struct token *before = &tokens->items[i - 1];
	return token_is(text, before, ".") || token_is_word(text, before, "as");
}

uint32_t nesting_bound(struct slice text, const struct token_list *tokens, uint32_t most)
{
	struct nest nest = { .most = most };
	open_group(&nest, false);
	for (size_t i = 0; i < tokens->count && nest.depth <= most; i++) {
		const struct token *token = &tokens->items[i];
		if (token->class == TOKEN_PUNCTUATION)
			on_punctuation(&nest, text.data[token->offset], token->len);
		else if (token->class == TOKEN_OPERATOR)
			nest.groups[nest.depth - 1].element++;
		else if (token_is_identifier(token))
			on_word(&nest, is_plain_name(text, tokens, i) ? 0 : word_flags(text, token));
	}
	uint32_t bound = most;
	if (nest.depth <= most) {
		while (nest.depth > 1)
			close_group(&nest);
		bound = group_depth(&nest.groups[0]);
	}
	free(nest.groups);
	return bound < most ? bound : most;
}
