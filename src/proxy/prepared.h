/*
 * What a prepared statement was made of: the text as the client wrote it, and
 * for which rules and which state of the session the server's version of it is
 * good. When those change, the statement is prepared anew (reprepare.c).
 *
 * Texts are kept once for all sessions of a worker, and a session keeps no
 * more than limits.prepared_bytes of them.
 */
#ifndef CROSSFADE_PROXY_PREPARED_H
#define CROSSFADE_PROXY_PREPARED_H

#include "rewrite/rewriter.h"

struct texts;
struct kept_text;

struct texts *texts_new(void);
void texts_free(struct texts *texts); /* once nobody keeps any */

/* The texts that one session keeps. */
struct text_account {
	struct texts *texts;
	size_t bytes, most_bytes;
};

struct prepared {
	uint32_t refs;
	bool in_sql;	  /* by PREPARE; the text is that whole statement */
	bool begins_text; /* in_sql: positions in it are those in the text that the client sent */
	bool lost;	  /* the server has no such statement any more */
	bool types_known; /* parameter types are the server's own word */
	bool described;	  /* the client was told of its columns */
	uint64_t view;	  /* of conversation.view; 0: to be looked at */
	uint64_t stamp;	  /* of the session's state */
	uint64_t columns; /* those the client was told of, hashed */
	uint64_t tried_view, tried_stamp; /* for these another version was tried … */
	bool tried_good;		  /* … and has the same columns */
	struct rewrite *sent;		  /* in_sql: what the server got; NULL: unknown */
	struct slice types;		  /* count and OIDs as Parse has them; owned */
	struct kept_text *text;		  /* NULL: there was no room */
	struct text_account *account;
};

/* text: of the client, types: of its Parse. */
struct prepared *prepared_new(struct text_account *account, struct slice text, struct slice types);
struct prepared *prepared_ref(struct prepared *prepared);
void prepared_unref(struct prepared *prepared); /* NULL is fine */

/* No data: not kept. */
struct slice prepared_text(const struct prepared *prepared);
void prepared_set_types(struct prepared *prepared, struct slice types);
/* Whether the server must be asked for the parameters' types before it forgets them. */
bool prepared_wants_types(const struct prepared *prepared);

/* The body of a RowDescription without what may differ between two tables of the same columns;
 * never 0. Empty: no rows. */
uint64_t prepared_hash_columns(struct slice body);

#endif
