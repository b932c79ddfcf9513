/*
 * Statements that were found → the same rewriter that serves clients → a
 * ledger. Sessions are followed as far as the log shows them, so that a SET
 * search_path or a temporary table means what it meant then.
 */
#ifndef CROSSFADE_LOGS_HARVEST_H
#define CROSSFADE_LOGS_HARVEST_H

#include "logs/record.h"
#include "model/ruleset.h"
#include "usage/import.h"

struct harvest;

struct harvest_counts {
	uint64_t statements;   /* read */
	uint64_t uses;	       /* that name a table of the map */
	uint64_t elsewhere;    /* of other databases */
	int64_t from_ms, until_ms; /* the first and the last time that a record had; 0: none had */
};

/* database: records of others are left out; NULL: none are. Both references are borrowed. */
struct harvest *harvest_new(const struct ruleset *ruleset, const char *database, struct usage_import *import);
/* A log_reader's record function. */
void harvest_record(void *harvest, const struct log_record *record);
/* Statements whose end the log did not show are taken as done; ends with the counts. */
void harvest_free(struct harvest *harvest, struct harvest_counts *counts_out);

#endif
