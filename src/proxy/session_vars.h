/*
 * What the proxy knows of a session's settings, twice: `confirmed` by the
 * server's answers, and `predicted`, which also has the effects of requests
 * under way. The prediction is made only when somebody asks for it.
 *
 * Requests come in segments: a Query, or all up to a Sync. A segment's
 * effects are settled by its ReadyForQuery.
 */
#ifndef CROSSFADE_PROXY_SESSION_VARS_H
#define CROSSFADE_PROXY_SESSION_VARS_H

#include "model/session_state.h"
#include "proxy/pipeline.h"

struct session_vars {
	struct session_state *confirmed; /* NULL: a session that is never rewritten */
	struct session_state *predicted; /* NULL: never needed so far */
	bool predicted_valid;
	bool segment_effects;	    /* the segment being sent changes the session */
	bool segment_open;	    /* confirmed has begun the segment being answered */
	char ready;		    /* status of the last ReadyForQuery */
	uint32_t unsettled;	    /* segments sent whole, not settled, with effects */
};

void session_vars_init(struct session_vars *vars, struct session_state *confirmed);
void session_vars_deinit(struct session_vars *vars);

/* The state in which a text that is sent now will run, if all before it succeeds. */
const struct session_state *session_vars_now(struct session_vars *vars, struct pipeline *pipeline);

/* A request with these effects was sent in the current segment. */
void session_vars_sent(struct session_vars *vars, const struct rewrite *rewrite);
/* The current segment was sent whole; true when it has effects: its request gets REQUEST_EFFECTS. */
bool session_vars_segment_sent(struct session_vars *vars);
/* COPY swallowed the Sync that had ended a segment with effects: the segment goes on. */
void session_vars_segment_rejoined(struct session_vars *vars);
/* A segment with effects will never run. */
void session_vars_segment_dropped(struct session_vars *vars);

/* The server completed a statement; tag tells a COMMIT that rolled back. */
void session_vars_completed(struct session_vars *vars, const struct rewrite_statement *statement, struct slice tag);
/* ReadyForQuery; had_effects: the request that it answers has REQUEST_EFFECTS. */
void session_vars_ready(struct session_vars *vars, char status, bool failed, bool had_effects);
void session_vars_reported(struct session_vars *vars, const char *name, const char *value);


#endif
