/*
 * One session after its login, on plain buffers: what the client sends goes
 * in at one end and what the server must get comes out, and the other way
 * round. No sockets here: session.c moves the bytes.
 *
 *   client bytes → conversation_from_client → round.to_server (round.to_client: an error held back)
 *   server bytes → conversation_from_server → round.to_client (round.to_server: never)
 *
 * Both take as much as they can use and return how much that was; the caller
 * keeps the rest and comes again with more. A conversation that is held takes
 * nothing more of its client until answers have arrived.
 *
 * Words: a *request* is a message that the server answers; a *segment* is a
 * Query or all requests up to a Sync, which the server runs as one
 * transaction unless an explicit one is open; a *hidden* exchange is one that
 * the client does not see.
 */
#ifndef CROSSFADE_PROXY_CONVERSATION_H
#define CROSSFADE_PROXY_CONVERSATION_H

#include "proxy/forecaster.h"
#include "proxy/long_text.h"
#include "proxy/output.h"
#include "proxy/parking.h"
#include "proxy/parse_pool.h"
#include "proxy/pins.h"
#include "proxy/pipeline.h"
#include "proxy/retry.h"
#include "proxy/session_vars.h"
#include "proxy/traffic.h"
#include "wire/client_message.h"
#include "wire/server_message.h"
#include "usage/usage.h"

struct conversation;

/* What all conversations of a worker share. */
struct conversation_env {
	struct rewriter *rewriter;
	struct usage_counter *counter; /* NULL: nothing is counted */
	struct forecast_desk *forecasts; /* NULL: nothing is foretold */
	struct refusal_log *refusals; /* NULL: none */
	struct traffic *traffic;
	size_t message_bytes;
	uint32_t pipeline;
	const struct gate_view *gate; /* NULL: nothing is ever paused */
	struct texts *texts;   /* of prepared statements; NULL: none are kept */
	size_t prepared_bytes; /* of them, by one session */
	size_t retry_bytes;    /* longest segment that is sent again (retry.h); 0: none */
	uint64_t (*facts_stale)(void *context, const char *database);
	/* Texts of more bytes that must be parsed are given away (HOLD_PARSE, until conversation_parsed).
	 * NULL, or an answer of NULL: they are parsed here and now. */
	size_t inline_bytes;
	struct parse_job *(*parse)(void *context, struct conversation *conversation,
				   const struct parse_request *request);
	void *context;
};

struct round {
	struct output to_server, to_client;
};

enum hold {
	HOLD_NONE,
	HOLD_ROOM,   /* the pipeline is full */
	HOLD_SETTLE, /* effects of earlier segments are not settled */
	HOLD_QUIET,  /* a hidden exchange begins when all requests are answered */
	HOLD_HIDDEN, /* a hidden exchange is under way */
	HOLD_FACT,   /* the catalog is being read again */
	HOLD_PAUSE,  /* a table that the next message would touch is paused */
	HOLD_PARSE,  /* a long text is being parsed elsewhere */
};

/* What hidden requests are under way for. */
enum exchange {
	EXCHANGE_SETTINGS, /* search_path, temporary tables (hidden.c) */
	EXCHANGE_TYPES,	   /* reprepare.c: the types of a prepared statement's parameters */
	EXCHANGE_TRIAL,	   /* … the columns that its new version gives */
	EXCHANGE_SWITCH,   /* … the new version in its place */
};

/* A prepared statement that is being prepared anew. */
struct reprepare {
	struct name *name;	 /* held; NULL: none */
	struct rewrite *rewrite; /* what it is to become; owned */
	uint64_t view, stamp;	 /* what that is good for */
	bool for_query;		 /* a Query of the client runs it: the exchange ends with a Sync */
};

enum described { DESCRIBED_NOT, DESCRIBED_ROWS, DESCRIBED_NO_ROWS };

enum violation { VIOLATION_NONE, VIOLATION_CLIENT, VIOLATION_SERVER };

enum { PLACED_MAX = 8 }; /* origins that a session remembers; a power of two */

/*
 * Under REPEATABLE READ and above a transaction sees rows as of its first
 * statement: no table of a transform may change its place in it, touched or
 * not. Only the server knows the level, and is asked when it matters.
 */
enum transform_snapshot {
	SNAPSHOT_UNASKED, /* no transform has changed its place in this transaction */
	SNAPSHOT_ASK,	  /* one has; until the server has told, all keep theirs */
	SNAPSHOT_KEPT,
	SNAPSHOT_FOLLOWS, /* READ COMMITTED: what it has not touched follows */
};

struct conversation {
	const struct conversation_env *env;
	struct pipeline pipeline;
	struct names statements, portals;
	struct session_vars vars;

	struct ruleset *const *published; /* the worker's present ruleset of the database; NULL: none ever */
	struct ruleset *followed;	  /* the published one that `ruleset` was made of */
	struct ruleset *ruleset;	  /* what texts are rewritten by: what is published, but for what is pinned */
	uint64_t view;			  /* another number with each other `ruleset`; never 0 */
	struct pins pins;		  /* entries of `ruleset` */
	enum transform_snapshot snapshot;
	struct text_account texts;	  /* of prepared statements */
	bool blind;			  /* texts have passed without a ruleset */

	size_t client_pass, client_drop; /* left of the client's message that streams through, or away */
	size_t server_pass, server_drop;
	bool query_begun; /* client_pass is the rest of a Query */

	enum hold hold;
	struct parking parking;
	struct retry retry;
	bool in_segment;     /* requests were sent since the last Sync or Query */
	bool flushed;	     /* nothing was sent since our last Flush */
	bool skipping;	     /* the server ignores all until a Sync that was not sent yet */
	bool segment_failed; /* in the segment being answered */
	enum exchange exchange;
	struct reprepare reprepare;
	bool query_failed;   /* the Query that comes next, in the exchange that prepared it */
	bool hidden_failed;  /* the hidden exchange for the text at hand brought nothing */
	char **hidden_temps; /* told so far by the hidden exchange; NULL: none */
	size_t hidden_temp_count;
	char *hidden_user; /* session_authorization, told before the role; NULL: not told */
	struct long_text long_text;
	bool ddl_seen;	     /* facts are stale when the transaction ends */
	bool facts_doubted;  /* … and when the server contradicted them */
	enum described described; /* by the server, since the last CommandComplete */
	bool own_relations;  /* the session's own DDL counts before facts that do not tell of it yet */
	uint64_t fact_ticket; /* a look at the catalog that names may depend on; 0: none is awaited */
	bool copy_in;	     /* the server waits for CopyData, and the client has not ended it */
	bool server_copying; /* CopyInResponse came, the end of its statement did not */
	uint16_t copy_ends;  /* CopyDone and CopyFail sent */
	bool terminated;     /* the client said goodbye */
	bool server_fatal;   /* the server said why it ends the session */
	enum violation violation;
	const char *violation_text;

	struct usage_identity *identity; /* NULL: not taken yet */
	struct placed {
		uint64_t hash; /* of the origin */
		struct usage_identity *identity; /* NULL: free */
	} placed[PLACED_MAX]; /* identities of statements that say where they come from */
	struct usage_who who;		 /* texts belong to the session, but the application */
	bool application_fixed;		 /* the listener says it, not the client */
	char application[NAME_TEXT_BYTES];
};

/* Takes over `confirmed`, which may be NULL. */
void conversation_init(struct conversation *conversation, const struct conversation_env *env,
		       struct session_state *confirmed);
void conversation_deinit(struct conversation *conversation);

size_t conversation_from_client(struct conversation *conversation, const char *data, size_t len, struct round *round);
size_t conversation_from_server(struct conversation *conversation, const char *data, size_t len, struct round *round);

/* Why the client's next message is not taken, in words; NULL: it is. */
const char *conversation_waits_for(const struct conversation *conversation);
/* Asked after answers have arrived: whether the client's bytes must still wait. */
bool conversation_held(struct conversation *conversation);
/* The catalog was looked at for all tickets up to this one. */
void conversation_looked(struct conversation *conversation, uint64_t ticket);
/* The catalog was read again, or will not be: HOLD_FACT ends. */
void conversation_fact_arrived(struct conversation *conversation);
/* What the client sends next begins a segment, as far as it was sent. */
static inline bool conversation_between_segments(const struct conversation *conversation)
{
	return !conversation->in_segment && !conversation->skipping && !conversation->copy_in &&
	       !conversation->client_pass && !conversation->client_drop;
}
/* Nothing is under way and no transaction is open. */
bool conversation_idle(const struct conversation *conversation);
/* A client's (server's) message has been passed on in part: no other may begin there. */
static inline bool conversation_server_mid_message(const struct conversation *conversation)
{
	return conversation->server_pass > 0;
}
static inline bool conversation_client_mid_message(const struct conversation *conversation)
{
	return conversation->client_pass > 0;
}
/* Nothing but a Query of which the server has only a part: none of it has run. */
static inline bool conversation_barely_begun(const struct conversation *conversation)
{
	return conversation->client_pass && conversation->query_begun && conversation->pipeline.count == 1 &&
	       !conversation->in_segment && !conversation->skipping && conversation->vars.ready == 'I';
}
/* HOLD_PARSE ends. Takes the result over. */
void conversation_parsed(struct conversation *conversation, struct rewrite *rewrite);
/* HOLD_PAUSE ends; what waited is looked at anew. */
void conversation_unpause(struct conversation *conversation);
/* Takes the published ruleset up, but for what an open transaction has pinned. Also to be
 * called once at the beginning, before the client's first message. */
void conversation_adopt_ruleset(struct conversation *conversation);
/* Whether the server must be asked for the isolation level before the statement can be sent. */
bool conversation_must_ask_level(const struct conversation *conversation, const struct rewrite *rewrite);
void conversation_level_told(struct conversation *conversation, bool keeps_snapshot);
/* ParameterStatus, at login or later. */
void conversation_reported(struct conversation *conversation, struct slice name, struct slice value);

/* ---- shared by the files of the conversation only ---- */

enum verdict { VERDICT_PASS, VERDICT_DONE, VERDICT_HOLD };

struct message {
	uint8_t type;
	size_t size;	   /* head included */
	const char *data;  /* head included; at least what the rule of the type asks for */
	size_t available;
};

static inline struct slice message_body(const struct message *message)
{
	size_t len = message->available < message->size ? message->available : message->size;
	return slice_of(message->data + FRAME_HEAD_BYTES, len - FRAME_HEAD_BYTES);
}

struct request *conversation_head(struct conversation *conversation);
void conversation_pop(struct conversation *conversation);
/* A request that will not be answered. */
void conversation_discard(struct conversation *conversation, struct request *request);
/* The server ignores everything up to the next Sync: those requests will not be answered. */
void conversation_abort_segment(struct conversation *conversation);
/* A Query or Parse: rewritten, held or passed. */
enum verdict conversation_on_text(struct conversation *conversation, const struct message *message,
				  struct round *round);
enum verdict conversation_on_oversize(struct conversation *conversation, const struct message *message,
				      struct round *round);

/* Something that uses these was sent as the newest request. */
void conversation_touch(struct conversation *conversation, const struct rewrite *rewrite);
void conversation_touch_shape(struct conversation *conversation, const struct statement_shape *shape);
/* Sending it would touch a paused table first in its transaction. */
bool conversation_paused(struct conversation *conversation, const struct rewrite *rewrite);
bool conversation_paused_shape(struct conversation *conversation, const struct statement_shape *shape);
/* The transaction of this request and all before it ended. */
void conversation_transaction_ended(struct conversation *conversation, uint64_t request);

/* The statement that a request runs now came to its end. rows: of its tag. */
void conversation_settle(struct conversation *conversation, struct request *request, enum usage_outcome outcome,
			 struct slice tag);
/* What the statement that a request runs, prepares or binds uses; NULL: nothing of the map. */
struct statement_shape *conversation_shape(struct conversation *conversation, const struct request *request);
/* The EXECUTE in SQL that a request runs; NULL: it runs none. */
const struct effect *conversation_executes(const struct request *request);
/* The statement that runs now makes or drops temporary tables. */
bool conversation_only_temporary(const struct request *request);
/* rewrite: of the text that says where the statement comes from; NULL: none. */
void conversation_count(struct conversation *conversation, struct rewrite *rewrite, struct statement_shape *shape,
			enum usage_outcome outcome, uint64_t rows);
/* What was not counted while its answers were held back. */
void conversation_count_late(struct conversation *conversation);
/* Who it is has changed, or is not needed any more. */
void conversation_forget_identity(struct conversation *conversation);
/* What was kept for pins that are gone now is looked for anew. */
void conversation_follow_again(struct conversation *conversation);

#define HIDDEN_NAME "crossfade_hidden" /* of statements and portals of ours */
enum { HIDDEN_TEMPS_MAX = 1024 };
void hidden_deinit(struct conversation *conversation);
struct request *hidden_push(struct conversation *conversation, enum request_kind kind);
void hidden_start(struct conversation *conversation, struct round *round);
/* An answer to a hidden request; true: the client must see it. */
bool hidden_answer(struct conversation *conversation, const struct message *message);

void reprepare_deinit(struct conversation *conversation);
/* An answer, other than an error, to what prepares a statement anew; true: the client must see it. */
bool reprepare_answer(struct conversation *conversation, const struct message *message);
/* An error came, which the client gets. */
void reprepare_failed(struct conversation *conversation);
/* PREPARE in SQL has succeeded. */
void reprepare_remember(struct conversation *conversation, struct prepared **slot, const struct effect *prepare);

#endif
