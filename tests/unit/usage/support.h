/* What the ledger's tests share: a folder of their own, shapes, and one-number queries. */
#ifndef CROSSFADE_TESTS_USAGE_SUPPORT_H
#define CROSSFADE_TESTS_USAGE_SUPPORT_H

#include "usage/usage.h"

#include <criterion/criterion.h>

struct ledger {
	char folder[64];
	char path[96];
	struct usage_settings settings;
};

void ledger_init(struct ledger *ledger);
/* Removes the folder and what is in it. */
void ledger_deinit(struct ledger *ledger);
struct usage *ledger_open(struct ledger *ledger);

/* The one number an SQL query gives; fails the test when it gives none. */
int64_t ledger_number(const struct ledger *ledger, const char *sql);
void ledger_exec(const struct ledger *ledger, const char *sql);
void ledger_wait_until(const struct ledger *ledger, const char *sql, int64_t number);

struct statement_shape *shape_of(const char *text, const char *table, enum side side, enum use_kind kind);
struct usage_who who_of(const char *application);

#endif
