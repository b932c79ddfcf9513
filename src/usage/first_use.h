/*
 * Tells the log when an application uses the old name of a table for the
 * first time, as far as the ledger remembers. Lines are collected while a
 * batch is written and logged once it is in the file.
 */
#ifndef CROSSFADE_USAGE_FIRST_USE_H
#define CROSSFADE_USAGE_FIRST_USE_H

#include "base/log_limit.h"
#include "usage/table.h"

#include <stdint.h>

struct first_use_known; /* first_use.c */
struct first_use_line;

struct first_use {
	struct first_use_known *known; /* uthash: applications that are no news */
	struct first_use_line *lines, **last; /* of the batch under way */
	size_t line_count;
	struct log_limit limit;
};

void first_use_init(struct first_use *first);
void first_use_deinit(struct first_use *first);
/* False: this application's use of the entry is known already, so the ledger need not be asked. */
bool first_use_is_open(struct first_use *first, int64_t entry, const char *application);
/* The ledger was asked: is_new says that it has no such use. */
void first_use_note(struct first_use *first, int64_t entry, const struct usage_slot *slot, const struct use *use,
		    bool is_new);
/* The batch is in the file (log the lines), or not (forget them: they come again). */
void first_use_settle(struct first_use *first, bool written);

#endif
