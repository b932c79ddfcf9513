/*
 * A rewriter and a ledger for tests of the proxy. The rewriter reads a text as
 * statements separated by ';', and of each statement its first word:
 *
 *   old X        rewritten to "new X"; positions move by one; used and counted
 *   used X       unchanged, used and counted
 *   refuse X     refused
 *   path X       unchanged, depends on the search_path, which must be known
 *   set X        search_path = X
 *   begin commit rollback  transaction control
 *   savepoint N / release N / unwind N   SAVEPOINT, RELEASE, ROLLBACK TO
 *   prepare N BODY / execute N / deallocate N / discard   SQL-level prepared statements
 *   here X       depends on the search_path: "here X" for public, else "here PATH.X"
 *   from A B     tables of the ruleset's old schema "public": each becomes its physical name
 *   ddl          changes the catalog
 *   temp N       makes a temporary table
 *   anything else unchanged, nothing to say
 */
#ifndef CROSSFADE_TESTS_PROXY_FAKES_H
#define CROSSFADE_TESTS_PROXY_FAKES_H

#include "rewrite/rewriter.h"
#include "usage/usage.h"

struct fake_ledger {
	unsigned ok, error, refused;
	uint64_t rows;
	char last[64]; /* text of the shape counted last */
	char application[64];
};
extern struct fake_ledger fake_ledger;
extern unsigned fake_rewrites_alive;
extern char fake_last_path[64]; /* what the last `path` statement saw */

#endif
