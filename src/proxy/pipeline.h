/*
 * The requests of a session that the server has not answered completely, in
 * the order in which it will answer them. A ring: pushed when a message is
 * sent, popped by its last answer.
 */
#ifndef CROSSFADE_PROXY_PIPELINE_H
#define CROSSFADE_PROXY_PIPELINE_H

#include "proxy/names.h"

enum request_kind {
	REQUEST_QUERY,
	REQUEST_FUNCTION,
	REQUEST_PARSE,
	REQUEST_BIND,
	REQUEST_DESCRIBE,
	REQUEST_EXECUTE,
	REQUEST_CLOSE_STATEMENT,
	REQUEST_CLOSE_PORTAL,
	REQUEST_SYNC,
	REQUEST_NONE, /* will not be answered: a Sync that COPY swallowed */
};

enum request_flag {
	REQUEST_HIDDEN = 1 << 0,     /* ours: the client sees no answer */
	REQUEST_FRESH = 1 << 1,	     /* Execute: the first of its portal */
	REQUEST_EFFECTS = 1 << 2,    /* Query, Sync: its segment changes the session */
	REQUEST_TOO_LARGE = 1 << 3,  /* the text was longer than message_bytes */
	REQUEST_UNKNOWN_PATH = 1 << 4, /* refused: search_path could not be known */
	REQUEST_ANSWERED = 1 << 5,   /* Query: a statement was completed, or failed */
	REQUEST_FAILED = 1 << 6,     /* Query: failed */
	REQUEST_WAS_EXECUTED = 1 << 7, /* Bind: so was the portal it displaced */
	REQUEST_CANCELLED = 1 << 8,  /* by the client while a pause or a hidden exchange held it up */
	REQUEST_NOT_KEPT = 1 << 9,     /* stands in for the use of a statement whose text was not kept */
	REQUEST_OTHER_COLUMNS = 1 << 10, /* … and of one that would give other columns now */
	REQUEST_OTHER_TABLES = 1 << 11, /* … and of one that the same text, ahead of it, gives other tables */
};

struct request {
	uint8_t kind;
	uint16_t flags;
	uint16_t copy_ends;  /* CopyDone and CopyFail that the client had sent before (modulo 2^16) */
	uint32_t statement;  /* Query: index of the one that runs. Execute: max_rows */
	struct rewrite *rewrite;   /* owned; NULL: nothing to do */
	struct name *name;	   /* held; NULL: none */
	struct rewrite *displaced; /* owned; what name meant before */
	struct prepared *prepared; /* owned. Parse, Close: likewise. Describe: what is described */
};

struct pipeline {
	struct request *ring; /* NULL while empty */
	uint32_t capacity;    /* a power of two */
	uint32_t head, count;
	uint64_t pushed; /* requests so far: the number of the newest one */
};

void pipeline_init(struct pipeline *pipeline);
/* The owner has released what the requests hold. */
void pipeline_deinit(struct pipeline *pipeline);

static inline struct request *pipeline_at(struct pipeline *pipeline, uint32_t index)
{
	return &pipeline->ring[(pipeline->head + index) & (pipeline->capacity - 1)];
}
/* NULL when empty. */
static inline struct request *pipeline_head(struct pipeline *pipeline)
{
	return pipeline->count ? pipeline_at(pipeline, 0) : NULL;
}
/* The number of the request at the head, or of the next one. */
static inline uint64_t pipeline_head_number(const struct pipeline *pipeline)
{
	return pipeline->pushed - pipeline->count + 1;
}
/* A request with only its kind set; pointers stay good until the next push. */
struct request *pipeline_push(struct pipeline *pipeline, enum request_kind kind);
void pipeline_pop(struct pipeline *pipeline);
/* Gives memory of a burst back. */
void pipeline_shrink(struct pipeline *pipeline);

#endif
