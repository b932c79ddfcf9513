/*
 * Pieces of a text that are replaced by others. Everything between them
 * stays byte for byte as it was written.
 */
#ifndef CROSSFADE_REWRITE_SPLICE_H
#define CROSSFADE_REWRITE_SPLICE_H

#include "base/arena.h"
#include "base/buf.h"
#include "model/session_state.h"

struct splice {
	size_t offset, len; /* in the original */
	struct slice text;
	size_t order; /* of those at one place: first come, first stand */
};

struct splice_list {
	struct splice *items;
	size_t count, capacity;
	size_t added;
	struct arena *arena;
};

void splice_list_init(struct splice_list *list, struct arena *arena);
void splice_add(struct splice_list *list, size_t offset, size_t len, struct slice text);
/* Sorts by offset; a piece that was noted twice (some subtrees are) counts once. */
void splice_sort(struct splice_list *list);
/* original[start, end) with its splices done, which are taken out of the list. */
struct slice splice_extract(struct splice_list *list, struct slice original, size_t start, size_t end);
/* Appends original[0, end) with the splices done. */
void splice_apply(const struct splice_list *list, struct slice original, size_t end, struct buf *out);

/* Where a splice stands, counted in characters: what position mapping needs once the texts are gone. */
struct rewrite_splice {
	uint32_t original, original_len;
	uint32_t rewritten, rewritten_len;
};
void splice_positions(const struct splice_list *list, struct slice original, enum encoding_class encoding,
		      struct rewrite_splice *positions_out);
/* 1-based positions; 0 stays 0. A place inside a replacement maps to the start of what was replaced. */
uint32_t splice_map_position(const struct rewrite_splice *positions, size_t count, uint32_t position);

/* Whether the place is inside a replacement, and how long what it replaced was. */
bool splice_replaced_at(const struct rewrite_splice *positions, size_t count, uint32_t position,
			uint32_t *original_len_out);

size_t splice_count_characters(struct slice text, enum encoding_class encoding);

#endif
