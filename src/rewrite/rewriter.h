/*
 * The rewriter: a function of (text, session state, ruleset). It never waits
 * and talks to nobody; what it cannot know it says, and the session finds
 * out. One rewriter belongs to one thread.
 */
#ifndef CROSSFADE_REWRITE_REWRITER_H
#define CROSSFADE_REWRITE_REWRITER_H

#include "base/buf.h"
#include "base/error.h"
#include "model/effect.h"
#include "model/ruleset.h"
#include "model/session_state.h"
#include "model/use.h"
#include "rewrite/origin.h"
#include "rewrite/parse_times.h"

struct rewriter;

struct rewriter_settings {
	size_t parse_bytes;    /* longest text given to the parser */
	uint32_t nesting;      /* deepest nesting given to the parser, as the lexer bounds it */
	size_t cache_bytes;    /* for rewrites kept by text; 0: none */
	size_t normalised_bytes; /* longest normalised text kept in a shape */
	struct parse_times *parse_times; /* shared; NULL: the parser's time is not taken */
};
struct rewriter_settings rewriter_settings_default(void);

enum rewrite_protocol {
	REWRITE_SIMPLE,	  /* a Query: any number of statements */
	REWRITE_EXTENDED, /* a Parse: one statement, parameters */
};

enum rewrite_outcome {
	REWRITE_UNCHANGED,	  /* send the original bytes */
	REWRITE_REWRITTEN,	  /* send sql */
	REWRITE_REFUSED,	  /* send sql: the statements before the refused one, then one that fails
				   * in analysis; answer refusal in place of that failure */
	REWRITE_NEED_SEARCH_PATH, /* ask the server for search_path, set it in the state, come again */
};

/* The SQL command of one statement, as far as the session must know it. */
enum statement_kind {
	STATEMENT_EMPTY,
	STATEMENT_QUERY,       /* SELECT, INSERT, …, also utility statements without a case below */
	STATEMENT_TRANSACTION, /* BEGIN … ROLLBACK TO, PREPARE TRANSACTION */
	STATEMENT_SET,	       /* SET, RESET, DISCARD */
	STATEMENT_PREPARED,    /* PREPARE, EXECUTE, DEALLOCATE */
	STATEMENT_DDL,
	STATEMENT_UNPARSED,
};

struct rewrite_statement {
	enum statement_kind kind;
	struct statement_shape *shape; /* NULL: uses nothing mapped */
	const struct effect *effects;
	size_t effect_count;
	const struct error *notice; /* for the client, before the statement's answer; NULL: none */
};

/* Immutable and refcounted within its thread: prepared statements, the
 * outstanding requests and the cache share it. */
struct rewrite {
	uint32_t refs;
	enum rewrite_outcome outcome;
	struct slice sql; /* what to send, without a NUL; UNCHANGED: the original is not copied, data is NULL */
	struct rewrite_statement *statements; /* in order; texts with nothing to say may have none */
	size_t statement_count;
	size_t refused_index;	/* REFUSED: the statement */
	const struct error *refusal; /* REFUSED; position counts characters of the original */
	const uint16_t *parameters; /* numbers of those that are read as names of relations, ascending (rewriter_parameter) */
	size_t parameter_count;
	struct statement_shape *parameter_shape; /* the statement without uses, to count theirs; NULL: no parameters */
	bool foretold;	/* its shapes have been shown to the forecaster (rewrite_set_foretold) */
	bool depends_on_state;	/* another search_path or temp table could change the outcome */
	const struct origin *origin; /* what the text's comment says of where it comes from; NULL: nothing */
	struct rewrite *inner;	/* private: whose parts these are; NULL: its own */
	const struct rewrite_splice *splices; /* private to rewrite/ */
	size_t bytes; /* private: of this block */
	size_t splice_count;
};

/* A thread that calls rewriter_run should have this much stack: texts that nest deeper
 * than the stack allows are treated as those over the nesting limit. Only what is used
 * becomes memory. */
enum { REWRITE_PARSE_STACK_BYTES = 64 * 1024 * 1024 };

struct rewriter *rewriter_new(struct rewriter_settings settings);
void rewriter_free(struct rewriter *rewriter);

/*
 * Rewrites sql (no NUL needed; may be empty). Never NULL; the caller holds
 * one reference of the result. state is not changed: effects between the
 * statements of one text are followed on a copy.
 */
struct rewrite *rewriter_run(struct rewriter *rewriter, struct slice sql, enum rewrite_protocol protocol,
			     const struct session_state *state, const struct ruleset *ruleset);
/*
 * The same without a parse: what the caches know, and what tokens alone can
 * tell. NULL: it must be parsed. Texts too long for that to be quick give
 * NULL at once.
 */
struct rewrite *rewriter_known(struct rewriter *rewriter, struct slice sql, const struct session_state *state,
			       const struct ruleset *ruleset);
/* Some results are shared, immutable and never freed; ref and unref know them. */
struct rewrite *rewrite_ref(struct rewrite *rewrite);
void rewrite_unref(struct rewrite *rewrite);
/* The same with an origin, which is copied. Takes the reference over. */
struct rewrite *rewrite_with_origin(struct rewrite *rewrite, const struct origin *origin);
/* The one thing about a result that changes: not for those that all threads share. */
void rewrite_set_foretold(struct rewrite *rewrite);

struct rewrite_cache_stats {
	uint64_t hits;	/* by text */
	uint64_t recipe_hits; /* by text without its literals */
	uint64_t misses; /* by neither */
	uint64_t evicted;
	size_t entries, bytes;
};
/* All 0 without a cache. */
struct rewrite_cache_stats rewriter_cache_stats(const struct rewriter *rewriter);

/*
 * The value of such a parameter, as text: a name, or an array of names. How many names of the map
 * are in it; uses_out (whose texts are the ruleset's) are the first of them, and out got the text to
 * send in its place, if there is another.
 */
size_t rewriter_parameter(struct rewriter *rewriter, struct slice value, const struct session_state *state,
			  const struct ruleset *ruleset, struct buf *out, struct use *uses_out, size_t most);

/*
 * What each outcome carries:
 *   UNCHANGED, REWRITTEN  statements, one per statement of the text, unless the text has
 *                         neither uses nor effects (then there may be none)
 *   REFUSED               the statements before the refused one, then the refused one with
 *                         the uses it was refused for and no effects
 *   NEED_SEARCH_PATH      nothing else
 */

/* A 1-based character position in the rewritten text → in the original (0 stays 0). */
uint32_t rewrite_map_position(const struct rewrite *rewrite, uint32_t position);
/* Whether that place of the rewritten text is a name of ours, and how many characters it stands for. */
bool rewrite_replaced_at(const struct rewrite *rewrite, uint32_t position, uint32_t *original_len_out);

/* The failure that stands in for a refused statement: what its ErrorResponse
 * has as SQLSTATE and contains in its message. */
#define REWRITE_REFUSAL_SQLSTATE "42703"
#define REWRITE_REFUSAL_MARK "crossfade_refused_statement"

/* `crossfade rewrite --explain`: one row per reference. Texts live in the arena. */
struct rewrite_reference {
	size_t offset, len;  /* bytes in the original */
	const char *written; /* as written */
	const char *resolved; /* "public.prices by search_path", "CTE", "temporary table", … */
	const char *became;  /* what stands there now; NULL: unchanged */
	const char *rule;    /* of rewrite/rule.h, as docs/rewriting.md lists them */
};
struct rewrite_explanation {
	struct rewrite_reference *items;
	size_t count;
};
struct rewrite *rewriter_explain(struct rewriter *rewriter, struct slice sql, enum rewrite_protocol protocol,
				 const struct session_state *state, const struct ruleset *ruleset,
				 struct arena *arena, struct rewrite_explanation *explanation_out);

#endif
