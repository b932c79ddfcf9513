/*
 * What a conversation has to do with the gate: whether the message at hand
 * must wait because it would be the first of its transaction to touch a
 * paused table (pins.h knows what was touched).
 *
 * A text, Bind or Describe that has to wait stays with the client's unread
 * bytes (HOLD_PAUSE) and goes through the rewriter again when it comes to its
 * turn. COMMIT, ROLLBACK and their like touch nothing and never wait; nor
 * does a transaction that has touched a table of the same pause: it holds a
 * lock that the pause is waiting for. While answers of earlier segments are
 * under way that may end the transaction, the message waits for them first.
 */
#ifndef CROSSFADE_PROXY_PARKING_H
#define CROSSFADE_PROXY_PARKING_H

#include "proxy/gate.h"

struct conversation;
struct round;
struct ruleset_entry;

struct parking {
	struct pause *found; /* borrowed: why the last look said that the message must wait */
	struct pause *pause; /* that the message at hand waits for, with a reference; NULL: it does not */
	uint64_t since_us;
	size_t bytes;
	bool again;	  /* something has changed: look again whether to wait */
	bool let_through; /* somebody waits for this session: nothing holds it up until its transaction ends */
	bool cancelled;	  /* the message at hand fails instead */
};

/* Whether a message that touches the entry must wait. */
bool parking_holds_up(struct conversation *conversation, const struct ruleset_entry *entry);
/* It waits. bytes: of what was read of it. */
void parking_wait(struct conversation *conversation, size_t bytes, struct round *round);
/* It is sent, or fails. */
void parking_go(struct conversation *conversation);
/* ReadyForQuery: its transaction may be over, or an answer tells more of it. */
void parking_ready(struct conversation *conversation, char status);
void parking_deinit(struct conversation *conversation);

/* For its worker: whether the session may have something of these tables under way. */
bool parking_in_flight(const struct conversation *conversation, const struct pause *pause);
bool parking_is_parked(const struct conversation *conversation);
/* Nothing is under way at the server: a CancelRequest means the message that waits. True: it will fail. */
bool parking_cancel(struct conversation *conversation);

#endif
