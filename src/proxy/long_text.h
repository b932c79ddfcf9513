/*
 * Texts on their way through the rewriter. One that is long and must be
 * parsed is given away, so that the other sessions of the worker need not
 * wait for it: the message at hand is held (HOLD_PARSE), and when it comes to
 * its turn again the result is here.
 *
 * Two are kept, since one message may need both: that of its own text, and
 * that of a prepared statement which it runs (reprepare.c).
 */
#ifndef CROSSFADE_PROXY_LONG_TEXT_H
#define CROSSFADE_PROXY_LONG_TEXT_H

#include "proxy/parse_pool.h"
#include "proxy/prepared.h"

struct conversation;

struct parsed_text {
	struct rewrite *rewrite;  /* NULL: nothing has come back */
	struct prepared *of;	  /* with a reference; NULL: the message's own text */
	uint64_t stamp, view;	  /* of the session state and the rules it holds for */
};

struct long_text {
	struct parse_job *job;	     /* NULL: nothing is being parsed */
	struct parsed_text *awaited; /* where the job's result goes */
	struct parsed_text own, prepared;
};

void long_text_deinit(struct long_text *long_text);

/* Rewrites the text of the message at hand, or of a prepared statement. NULL: it is being parsed elsewhere. */
struct rewrite *long_text_rewrite(struct conversation *conversation, struct slice sql, enum rewrite_protocol protocol,
				  struct prepared *prepared);
/* Whether a text is never parsed here. */
bool long_text_is_long(const struct conversation *conversation, struct slice sql);
/* What is known of a prepared statement and will be asked for again. Takes rewrite over. */
void long_text_keep(struct conversation *conversation, struct prepared *prepared, struct rewrite *rewrite,
		    uint64_t stamp, uint64_t view);
/* The job is done. Takes the result over. */
void long_text_arrived(struct long_text *long_text, struct rewrite *rewrite);

#endif
