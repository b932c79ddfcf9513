/*
 * Where positions of the rewritten text are in the original, counted in
 * characters, as the server and its clients count. All that is needed is
 * kept here, so that both texts may go.
 */
#ifndef CROSSFADE_REWRITE_POSITION_MAP_H
#define CROSSFADE_REWRITE_POSITION_MAP_H

#include "model/session_state.h"
#include "rewrite/splice.h"

/* A piece of the rewritten text that does not stand where it stood, or that is ours. */
struct rewrite_splice {
	uint32_t original, original_len;
	uint32_t rewritten, rewritten_len;
	uint32_t resume; /* the place in the original that the text after it has */
	bool moved;	 /* copied from the original, character by character */
};

/* The pieces in their order; their count is returned. */
size_t position_map_make(const struct splice_list *list, struct slice original, size_t end, enum encoding_class encoding,
			 struct rewrite_splice **positions_out);
/* 1-based positions; 0 stays 0. A place inside a replacement maps to the start of what was replaced. */
uint32_t position_map_original(const struct rewrite_splice *positions, size_t count, uint32_t position);

/* Whether the place is inside a replacement, and how long what it replaced was. */
bool position_map_replaced_at(const struct rewrite_splice *positions, size_t count, uint32_t position,
			      uint32_t *original_len_out);

size_t position_count_characters(struct slice text, enum encoding_class encoding);

#endif
