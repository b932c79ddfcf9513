/*
 * A text without what seldom matters: its tokens as a string of bytes in which
 * a literal stands as its class alone, words are folded, comments and white
 * space are gone, and of a list of like values (value_list.h) one is left.
 * Two texts with equal skeletons have equal parse trees but for their
 * literals, so that what was found out about one holds for the other, unless
 * a literal was looked at (recipe.h).
 */
#ifndef CROSSFADE_REWRITE_SKELETON_H
#define CROSSFADE_REWRITE_SKELETON_H

#include "base/buf.h"
#include "rewrite/value_list.h"

enum { SKELETON_LISTS_MAX = 8 };

/* The n-th token that is left is the n-th of the text, plus those that lists before it lost. */
struct skeleton {
	struct buf bytes;
	struct value_list lists[SKELETON_LISTS_MAX]; /* tokens of the text */
	size_t list_count;
};

void skeleton_init(struct skeleton *skeleton);
void skeleton_deinit(struct skeleton *skeleton);

/* False: this text has none (what its tokens are depends on the server, or could not be told). */
bool skeleton_build(struct skeleton *skeleton, struct slice text, const struct token_list *tokens);

/* The grammar has places where no other number may stand: these are a class of their own. */
bool skeleton_is_integer(struct slice number);

/* Between the places of a token in the text and in the skeleton. False: it is in a list, where
 * others like it may stand. */
bool skeleton_place(const struct skeleton *skeleton, size_t token, size_t *place_out);
size_t skeleton_token(const struct skeleton *skeleton, size_t place);

#endif
