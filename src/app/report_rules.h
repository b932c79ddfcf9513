/* Tells a report what a map's entries are, used or not. */
#ifndef CROSSFADE_APP_REPORT_RULES_H
#define CROSSFADE_APP_REPORT_RULES_H

#include "model/ruleset.h"
#include "usage/report.h"

/* only: no other database has a map. Entries are copied. */
void report_add_rules(struct report *report, const struct ruleset *ruleset, bool only);

#endif
