/* What the files of a cutover (cutover*.c) share; nobody else includes this. */
#ifndef CROSSFADE_FLEET_CUTOVER_PARTS_H
#define CROSSFADE_FLEET_CUTOVER_PARTS_H

#include "fleet/cutover.h"

#include <pthread.h>

enum {
	CONNECT_MS = 10000,
	QUERY_MS = 10000,
	POLL_MS = 2000,	      /* for the small question while draining */
	ACKNOWLEDGE_MS = 2000, /* for every worker to pause or open */
	COMMIT_MS = 5000,      /* then it counts as unanswered */
	SETTLE_MS = 60000,     /* to find out what became of it; then the gate opens all the same */
	SETTLE_TTL_MS = 600000, /* of the pause from COMMIT on: longer than this process may stand still */
	PUBLISH_MS = 30000,
};

struct cutover {
	struct arena arena;
	struct cutover_request request; /* its texts are the arena's */
	struct cutover_callbacks callbacks;
	pthread_t thread;
	int stop_fd;
	_Atomic bool cancelled;

	pthread_mutex_t lock;
	struct cutover_status status;
	struct holders holders;

	/* the thread's own */
	struct catalog_connection *connection;
	struct move_plan *plan;
	uint64_t began_us, deadline_us;
	uint64_t stall_deadline_us; /* of the present attempt */
	uint64_t pause, paused_at_us;
	uint64_t step_at_us; /* since when the present step goes on */
	struct facts *fresh; /* of what was moved; NULL: has to be read again */
	uint32_t deadlock_timeout_ms;
	uint32_t pause_ms; /* before the next attempt */
	char xid[24];
	uint32_t commit_pid;
	bool alone;	/* a flip that only this proxy knows of, without a fence or a row */
	bool announced; /* other proxies have paused too: the row pause_id */
	bool called;	/* the row of status.id in crossfade.calls */
	char busy_proxy[128]; /* the last look found nothing but statements of this one under way; empty: not so */
	char pause_id[STATE_ID_BYTES];
};

/* ---- cutover.c ---- */

void cutover_set_step(struct cutover *cutover, enum cutover_step step);
void cutover_set_holders(struct cutover *cutover, struct holders *holders); /* takes them over */
/* For the journal of the database. */
const char *cutover_kind(const struct cutover *cutover);
bool cutover_is_stopped(const struct cutover *cutover);
/* Not only cancelled: the process is about to end, and no wait goes on. */
bool cutover_must_end(const struct cutover *cutover);
/* Less when it is cancelled; false: it is. */
bool cutover_sleep(struct cutover *cutover, uint32_t ms);
/* Milliseconds until then, at least 1. */
uint32_t cutover_left_ms(uint64_t deadline_us);

/* ---- cutover_text.c ---- */

void cutover_say(struct cutover *cutover, enum cutover_line kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void cutover_say_plan(struct cutover *cutover);
void cutover_say_holders(struct cutover *cutover, const struct holders *holders);

/* ---- cutover_steps.c ---- */

/* All of it, up to the outcome in the status. */
enum cutover_outcome cutover_run(struct cutover *cutover, struct error *error_out);
bool cutover_connect(struct cutover *cutover, struct error *error_out);

/* ---- cutover_attempt.c ---- */

enum attempt { ATTEMPT_DONE, ATTEMPT_AGAIN, ATTEMPT_FAILED, ATTEMPT_IN_DOUBT };

/* From the pause to the opening of the gate. */
enum attempt cutover_attempt(struct cutover *cutover, struct error *error_out);

/* ---- cutover_fleet.c ---- */

enum gathered { GATHERED, GATHER_AGAIN, GATHER_REFUSED };

/*
 * Before anybody is held up: all other proxies that are alive have answered and mean the same tables,
 * and those that are not have no sessions left. GATHER_AGAIN: cancelled, over, or the server cannot be asked.
 */
enum gathered cutover_gather(struct cutover *cutover, struct error *error_out);
/* With FORCE: sessions of proxies that are out of reach are ended; their transactions may be what is waited for. */
void cutover_end_lost(struct cutover *cutover);
/* Proxies that would not take part, for a plan that is only looked at. */
void cutover_say_others(struct cutover *cutover);
/* After the last attempt. */
void cutover_dismiss(struct cutover *cutover);
/* Has the other proxies pause; false: not all have, or the server cannot be asked. */
bool cutover_announce(struct cutover *cutover, struct error *error_out);
/* Whether statements that were sent before the pause are still under way there. */
bool cutover_others_are_busy(struct cutover *cutover, bool *busy_out, struct error *error_out);
/* First in the transaction; last in it; after one that did not come to its end. */
void cutover_append_fence(struct cutover *cutover, struct buf *sql);
void cutover_append_end(struct cutover *cutover, struct buf *sql);
/* When that is what failed, it says so. */
void cutover_explain_fence(struct error *error);
void cutover_withdraw(struct cutover *cutover);

/* ---- cutover_settle.c ---- */

enum settled { SETTLED_COMMITTED, SETTLED_ABORTED, SETTLED_UNKNOWN };

/* What became of a COMMIT that was not answered. The pause is renewed meanwhile. */
enum settled cutover_settle(struct cutover *cutover);

#endif
