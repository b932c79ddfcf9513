/*
 * Moves tables to their other side, or back, under traffic, in a thread of
 * its own. What it does, in order:
 *
 *   check      the plan is made; anything in its way ends it
 *   wait       while a transaction older than the stall budget holds a table
 *   pause      the gate closes; every worker has acknowledged
 *   drain      until nobody holds the tables or has something under way
 *   lock, move one transaction with the journal; its COMMIT is the only atomic point
 *   settle     a COMMIT without an answer is looked up while the pause goes on
 *   publish    the new facts are in force
 *   open       what was parked goes on
 *
 * An attempt that does not get through its drain and locks within max_stall_ms
 * opens the gate again, and another one follows until timeout_ms is over. Until
 * COMMIT nothing has changed, however it ends.
 */
#ifndef CROSSFADE_FLEET_CUTOVER_H
#define CROSSFADE_FLEET_CUTOVER_H

#include "fleet/holders.h"
#include "fleet/move_plan.h"
#include "proxy/proxy.h"

enum { CUTOVER_TIMEOUT_MS = 60000, CUTOVER_MAX_STALL_MS = 500 };

struct cutover_request {
	const char *dsn;
	const char *database;	 /* whose sessions are paused; NULL: all */
	struct ruleset *ruleset; /* a reference is taken */
	struct proxy *proxy;	 /* NULL: no sessions to pause */
	const char *member;	 /* the row of this proxy among those of the database; NULL: it has none */
	struct move_wish wish;
	bool dry_run;
	uint32_t timeout_ms, max_stall_ms;
	const char *who, *reason; /* NULL: not said */
};

enum cutover_step {
	CUTOVER_CHECK,
	CUTOVER_WAIT,
	CUTOVER_PAUSE,
	CUTOVER_DRAIN,
	CUTOVER_LOCK,
	CUTOVER_MOVE,
	CUTOVER_COMMIT,
	CUTOVER_SETTLE,
	CUTOVER_PUBLISH,
	CUTOVER_OPEN,
};
const char *cutover_step_name(enum cutover_step step);

enum { CUTOVER_STEP_COUNT = CUTOVER_OPEN + 1 };

enum cutover_outcome {
	CUTOVER_RUNNING,
	CUTOVER_DONE,	   /* the tables have moved */
	CUTOVER_NOTHING,   /* they were there already */
	CUTOVER_DRY,	   /* only looked at */
	CUTOVER_REFUSED,   /* something stands in its way; nothing was tried */
	CUTOVER_GAVE_UP,   /* timeout_ms was not enough */
	CUTOVER_CANCELLED,
	CUTOVER_FAILED,	   /* nothing has changed, says the error why */
	CUTOVER_IN_DOUBT,  /* the server could not be asked what became of COMMIT */
};
const char *cutover_outcome_name(enum cutover_outcome outcome);

/* Where it stands: for whoever looks. */
struct cutover_status {
	char id[STATE_ID_BYTES];
	char tables[512];
	bool reverse;
	enum cutover_step step;
	enum cutover_outcome outcome;
	uint32_t attempt;
	uint64_t age_ms;
	uint64_t parked_total; /* statements that waited, in all attempts */
	uint64_t longest_us;   /* the longest of their waits, in all attempts */
	uint64_t last_us;      /* … and in the last one */
	uint64_t paused_us;    /* how long the last pause took … */
	uint64_t step_us[CUTOVER_STEP_COUNT]; /* … and each step of it */
	struct error error;    /* of an outcome that has one */
};

enum cutover_line { CUTOVER_LINE_STEP, CUTOVER_LINE_PLAN, CUTOVER_LINE_NOTE, CUTOVER_LINE_WARNING, CUTOVER_LINE_PROBLEM,
		    CUTOVER_LINE_BLOCKER };

/* Called on the cutover's thread. */
struct cutover_callbacks {
	void *context;
	/* What a person who waits wants to read. */
	void (*line)(void *context, enum cutover_line kind, const char *text);
	/* What others than the catalog know about the move; they say it themselves. May be NULL. */
	void (*check)(void *context, const struct move_plan *plan);
	/* COMMIT succeeded: the stages are those now, and so are the facts; change NULL: the catalog has to be
	 * read again. Returns once that is published; false: not in time. */
	bool (*publish)(void *context, const struct state_stage *stages, size_t count,
			const struct facts_change *change, uint32_t timeout_ms);
	/* The last call. */
	void (*done)(void *context, const struct cutover_status *status);
};

struct cutover;

/* Texts are copied. */
struct cutover *cutover_start(const struct cutover_request *request, struct cutover_callbacks callbacks);
/* It ends soon, unless COMMIT was sent: then it goes on to its end. */
void cutover_cancel(struct cutover *cutover);
void cutover_look(struct cutover *cutover, struct cutover_status *status_out);
/* Who is in its way now; a copy for the caller to free. */
void cutover_blockers(struct cutover *cutover, struct holders *holders_out);
/* Ends it, at the next moment that a wait can be broken off, and waits for its thread. */
void cutover_free(struct cutover *cutover);

#endif
