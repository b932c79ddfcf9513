/*
 * Pieces of a text that are replaced by others. Everything between them
 * stays byte for byte as it was written; a piece that has to stand elsewhere
 * is moved, so that positions in it can still be told.
 */
#ifndef CROSSFADE_REWRITE_SPLICE_H
#define CROSSFADE_REWRITE_SPLICE_H

#include "base/arena.h"
#include "base/buf.h"

struct splice {
	size_t offset, len; /* in the original */
	struct slice text;
	size_t order; /* of those at one place: first come, first stand */
	bool moves;   /* text has marks of moved pieces */
};

/* A piece of the original with the splices inside of it. */
struct moved_piece {
	size_t start, end;
	struct splice *items;
	size_t count;
};

struct splice_list {
	struct splice *items;
	size_t count, capacity;
	size_t added;
	struct moved_piece *moved;
	size_t moved_count, moved_capacity;
	bool separated; /* see splice_separate: what is spliced fits this text alone */
	struct arena *arena;
};

void splice_list_init(struct splice_list *list, struct arena *arena);
void splice_add(struct splice_list *list, size_t offset, size_t len, struct slice text);
/* The same with a text that has marks of moved pieces. */
void splice_add_moving(struct splice_list *list, size_t offset, size_t len, struct slice text);
/* Sorts by offset; a piece that was noted twice (some subtrees are) counts once. */
void splice_sort(struct splice_list *list);
/* FROM"t"WHERE: quotes keep words apart, and a name of ours may have none. */
void splice_separate(struct splice_list *list, struct slice original);
/* Both are parts of one word where they meet. */
bool splice_joins(char before, char after);
/* A mark that stands for original[start, end) with its splices, which are taken out of the list. */
struct slice splice_move(struct splice_list *list, size_t start, size_t end);
/* The same, but the piece also stays where it is, unless it is replaced. */
struct slice splice_copy(struct splice_list *list, size_t start, size_t end);
/* A mark for text of ours that stands for what is at offset, as positions go. */
struct slice splice_stand_in(struct splice_list *list, size_t offset, struct slice text);
/* Forgets the splices in original[start, end). */
void splice_drop(struct splice_list *list, size_t start, size_t end);
/* Appends original[0, end) with the splices done. */
void splice_apply(const struct splice_list *list, struct slice original, size_t end, struct buf *out);

/* The new text, piece by piece: what is copied, and what is ours in place of [offset, offset + len). */
struct splice_visitor {
	void (*copied)(void *context, size_t start, size_t end, bool moved);
	void (*replaced)(void *context, const struct splice *splice, struct slice text);
	void (*done)(void *context, const struct splice *splice); /* one that was not inside of another; NULL: never mind */
	void *context;
};
void splice_visit(const struct splice_list *list, size_t end, const struct splice_visitor *visitor);

#endif
