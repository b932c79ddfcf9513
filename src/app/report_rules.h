/* Tells a report what a map's entries are, used or not. */
#ifndef CROSSFADE_APP_REPORT_RULES_H
#define CROSSFADE_APP_REPORT_RULES_H

#include "model/ruleset.h"
#include "usage/report.h"

/* The entries of a ruleset as the ledger knows them, one for each; texts are the ruleset's or the arena's. */
struct usage_entry *report_rules_entries(const struct ruleset *ruleset, struct arena *arena);

/*
 * stages_known: those of the ruleset are in force; else the ledger knows them
 * better. only: no other database has a map. Entries are copied.
 */
void report_add_rules(struct report *report, const struct ruleset *ruleset, bool stages_known, bool only);

#endif
