/*
 * What would happen next: every new statement shape is also rewritten under
 * the next stage of each entry it uses, by a thread of its own, and the
 * outcome goes to the ledger. A worker only copies the text of a shape it has
 * not shown before; no lock, no system call. When the thread is behind,
 * statements are left out: they come again.
 */
#ifndef CROSSFADE_PROXY_FORECASTER_H
#define CROSSFADE_PROXY_FORECASTER_H

#include "rewrite/rewriter.h"
#include "usage/usage.h"

struct forecaster;    /* one per proxy */
struct forecast_desk; /* one per worker, used by its thread alone */

/* NULL when the thread cannot be started: then nothing is foretold. usage must live longer. */
struct forecaster *forecaster_new(struct usage *usage, struct rewriter_settings settings);
/* After all desks are gone. */
void forecaster_free(struct forecaster *forecaster);

/* A NULL forecaster gives a NULL desk, which every function here takes. */
struct forecast_desk *forecast_desk_new(struct forecaster *forecaster);
void forecast_desk_free(struct forecast_desk *desk);
/* Called by the worker on a timer: wakes the thread when there is something to do. */
void forecast_desk_flush(struct forecast_desk *desk);

void forecast_desk_show(struct forecast_desk *desk, struct slice sql, enum rewrite_protocol protocol,
			const struct session_state *state, struct ruleset *ruleset, struct rewrite *rewrite);

/* The text, as the client wrote it, was rewritten like that. */
static inline void forecast_note(struct forecast_desk *desk, struct slice sql, enum rewrite_protocol protocol,
				 const struct session_state *state, struct ruleset *ruleset, struct rewrite *rewrite)
{
	if (desk && rewrite->statement_count && !rewrite->foretold)
		forecast_desk_show(desk, sql, protocol, state, ruleset, rewrite);
}

#endif
