/* A file of cases while it runs: what holds for the next case, the case, and how many held so far. */
#ifndef CROSSFADE_TESTS_REWRITE_SUITE_H
#define CROSSFADE_TESTS_REWRITE_SUITE_H

#include "rewrite/rewriter.h"

/* What the cases of a file share, until a directive changes it. */
struct setting {
	struct arena arena;
	const char *map_text;
	const char *catalog_text;
	const char *stages;
	const char *path;
	const char *user;
	const char *database;
	const char *encoding;
	const char *temps;
	const char *policy;
	const char *limits;
	bool strings_off;
	bool path_unknown;
};

enum expectation { EXPECT_NONE, EXPECT_OUT, EXPECT_UNCHANGED, EXPECT_REFUSED, EXPECT_NEED };

struct test_case {
	const char *title;
	unsigned line;
	struct slice sql;
	enum expectation expectation;
	struct slice out;
	const char *refused;
	const char *sent;  /* what goes to the server in place of a refused text */
	const char *uses;
	const char *columns;
	const char *effects;
	const char *normalised;
	const char *explain;
	const char *positions;
	const char *notice;
	bool extended;
};

struct suite {
	const char *file;
	struct setting setting;
	struct rewriter *rewriter, *fresh; /* fresh learns nothing */
	size_t tried, learnt_from;
	unsigned run, failed;
	struct ruleset *ruleset;
};

/* Ends the program: this line of the file means nothing. */
_Noreturn void suite_broken(const struct suite *suite, unsigned line, const char *what);

/* What the setting says, as the rewriter takes it. line: of the case that needs it. */
struct ruleset *suite_build_ruleset(struct suite *suite, unsigned line);
struct session_state *suite_build_state(struct suite *suite);

/* Runs it and says what does not hold. */
void suite_run_case(struct suite *suite, const struct test_case *c);

#endif
