/* What the files of a member (member*.c) share; nobody else includes this. */
#ifndef CROSSFADE_FLEET_MEMBER_PARTS_H
#define CROSSFADE_FLEET_MEMBER_PARTS_H

#include "fleet/member.h"

#include "base/list.h"
#include "catalog/link.h"

#include <pthread.h>

enum {
	MEMBER_CONNECT_MS = 3000,
	MEMBER_QUERY_MS = 3000, /* an unanswered one is noticed before our lease is over */
	MEMBER_BACKOFF_MS = 1000,
};

struct member {
	struct member_settings settings;
	struct member_callbacks callbacks;
	char id[STATE_ID_BYTES];
	pthread_t thread;
	int stop_fd, poke_fd;
	_Atomic bool stopped;
	/* the thread's own */
	struct catalog_link *link;	    /* to the server of the sessions … */
	struct catalog_connection *own;	    /* … taken: for a round, or while a cutover is near */
	struct catalog_connection *primary; /* NULL: the same server, or it cannot be reached */
	uint64_t joined_by;		    /* the number of `own` that we joined with */
	struct list_link held;		    /* pauses: member_pauses.c */
	struct buf stages;		    /* as last handed out */
	bool standby, joined, told, troubled, called;
	uint64_t renewed_us; /* when our lease was last asked for; 0: never */
	uint64_t looked_for_dead_us;
	uint64_t transforms; /* the pause of all transforms while there is no lease; 0: none */
};

/* ---- member_row.c: connections, and our row ---- */

/* False: not connected and registered; what can be done without is done all the same. */
bool member_join(struct member *member, struct error *error_out);
bool member_renew_if_due(struct member *member, struct error *error_out);
/* Says that we are there to all cutovers that ask. */
bool member_answer_calls(struct member *member, struct error *error_out);
/* Ends the leases of other proxies of this machine whose processes are no more. */
void member_end_dead(struct member *member);
/* Takes the row out; the end. */
void member_leave(struct member *member);
void member_disconnect(struct member *member);
/* Others of this process may have the connection. */
void member_give_back(struct member *member);

/* Where rows about proxies and pauses are; NULL: out of reach. */
struct catalog_connection *member_shared(struct member *member);
void member_append_text(struct member *member, struct buf *sql, const char *text);
bool member_execute(struct member *member, struct buf *sql, struct error *error_out); /* frees sql */

/* False with the reason: our map says something else of these tables than that of whoever asks. One a line each. */
bool member_agrees(struct member *member, const char *tables, const char *digests, struct error *error_out);

/* ---- member_pauses.c ---- */

bool member_follow_pauses(struct member *member, struct error *error_out);
/* What was under way when the tables were paused: told once it is answered. True: something still is. */
bool member_report_drained(struct member *member);
/* Whether tables are paused because they are being moved. */
bool member_is_in_a_move(const struct member *member);
/* The end: all goes on. */
void member_open_all(struct member *member);
/* Transforms wait while there is no lease. */
void member_mind_lease(struct member *member);

/* ---- member_change.c: what a cutover makes of the relations it moves ---- */

struct member_change; /* which they are */

/* The row of a pause says it; NULL: it does not (that of the version before, or by hand). */
struct member_change *member_change_read(struct member *member, const char *pause);
void member_change_free(struct member_change *change); /* accepts NULL */
/* Before anything waits: a process of the server's reads the catalog slowly the first time. */
void member_change_warm_up(struct member *member);
/* Reads them, and puts that and the stages in force. False: the whole catalog has to be read. */
bool member_change_apply(struct member *member, const struct member_change *change, const char *stages);

/* ---- member.c ---- */

/* The stages as they are, as the text of a flags file. */
bool member_read_stages(struct member *member, struct buf *stages_out, struct error *error_out);
/* Has the catalog read again; both are in force then. NULL: the stages are those of before. False: not yet; with the
 * same ticket, 0 at first, the next call goes on. */
bool member_refresh(struct member *member, struct buf *stages, uint64_t *ticket);
void member_hand_out(struct member *member, struct buf *stages);

#endif
