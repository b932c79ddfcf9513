/*
 * Keeps one database's rules: map, flags and policy from files, facts from
 * the catalog. Each change builds a new ruleset and, only when that succeeds,
 * swaps it in and publishes it; a bad file changes nothing. Lives on the main
 * thread.
 */
#ifndef CROSSFADE_APP_RULES_H
#define CROSSFADE_APP_RULES_H

#include "model/ruleset.h"

struct rules;

typedef void rules_publish_fn(void *context, const char *database, struct ruleset *ruleset);

/* database NULL: every database. Texts are copied. */
struct rules *rules_new(const char *database, rules_publish_fn *publish, void *context);
void rules_free(struct rules *rules);

struct rules_files {
	const char *map_path;
	const char *flags_path; /* NULL: all entries are at stage old */
	struct slice flags_text; /* with data: what the flags file is about to say */
	bool keep_flags;	 /* the stages stay as the rules have them now; the files do not say them */
	struct policy policy;
};
struct rules_change;
/* Loads and checks the files; nothing changes before the commit. One of the two ends the change. */
bool rules_prepare(struct rules *rules, const struct rules_files *files, struct rules_change **change_out,
		   struct error *error_out);
const struct ruleset *rules_change_ruleset(const struct rules_change *change);
void rules_commit(struct rules *rules, struct rules_change *change);
void rules_abandon(struct rules_change *change);
/* Takes new facts (a reference of its own) and publishes what follows from them. */
bool rules_set_facts(struct rules *rules, struct facts *facts, struct error *error_out);

/*
 * A cutover has moved tables: these stages are true from the next build on,
 * which comes with the new facts or with rules_publish_again. Until the files
 * are loaded again, which should say the same by then.
 */
void rules_expect_stage(struct rules *rules, const char *key, enum stage stage);

/* The same for all that the text of a flags file names; one with mistakes is left alone. */
void rules_expect_stages(struct rules *rules, struct slice text);

/* Other stages for the same map, as the text of a flags file; file: for messages. */
bool rules_set_flags(struct rules *rules, struct slice text, const char *file, struct error *error_out);

/* For those who wait for a look at the catalog that found nothing new. */
void rules_publish_again(struct rules *rules);

const struct facts *rules_facts(const struct rules *rules); /* NULL: none yet */
const char *rules_database(const struct rules *rules); /* NULL: every database */
const struct ruleset *rules_current(const struct rules *rules); /* NULL before the first commit */
struct map *rules_map(const struct rules *rules);		 /* likewise */

#endif
