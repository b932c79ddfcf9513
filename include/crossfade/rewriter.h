/*
 * crossfade's rewriter as a library: SQL in, SQL out, no sockets, no files
 * but those you name. Link with `pkg-config --cflags --libs --static crossfade`.
 *
 *     struct crossfade_rules *rules;      map + stages + catalog, immutable
 *     struct crossfade_session *session;  what one client's session is like
 *     struct crossfade_rewriter *r;       scratch memory and a cache
 *     struct crossfade_result *result;    what became of one text
 *
 * Threads: rules may be shared by any number of threads. A session, a rewriter
 * and the results it makes belong to one thread at a time. Each thread that
 * rewrites keeps a little memory of the parser for as long as the process
 * lives, so use a fixed set of threads; give them CROSSFADE_STACK_BYTES of
 * stack if deeply nested SQL is to be parsed (with less it is refused).
 *
 * Texts are UTF-8 and end in NUL unless a length is given. Running out of
 * memory ends the process.
 */
#ifndef CROSSFADE_REWRITER_H
#define CROSSFADE_REWRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CROSSFADE_API __attribute__((visibility("default")))
#else
#define CROSSFADE_API
#endif

enum { CROSSFADE_STACK_BYTES = 64 * 1024 * 1024 };

struct crossfade_rules;
struct crossfade_session;
struct crossfade_rewriter;
struct crossfade_result;

/* ---- errors ---- */

struct crossfade_error {
	char sqlstate[6];
	char message[512];
	char detail[512]; /* empty: none */
	char hint[512];	  /* empty: none */
	char file[256];	  /* empty: not about a file */
	uint32_t line, column; /* in the file; 1-based, 0: unknown */
	uint32_t position;     /* in the SQL: 1-based, in characters; 0: none */
};

/* ---- rules ---- */

struct crossfade_source {
	const char *text; /* YAML; NULL: none */
	size_t len;
	const char *name; /* how messages call it; NULL: "map", "flags", "catalog" */
};

struct crossfade_policy {
	bool allow_ddl;		  /* DROP, RENAME, … of mapped tables is rewritten instead of refused */
	bool refuse_opaque;	  /* bodies of code that name moved tables are refused … */
	bool notice_opaque;	  /* … or give a notice */
	bool map_introspection;	  /* queries of the catalog see the layout they were written for */
	bool pass_newer_syntax;	  /* what cannot be parsed is passed on */
};

/* map: as crossfade-map(5). flags: as crossfade-flags(5). catalog: as `crossfade rewrite
 * --catalog` reads it. NULL with error_out when they are wrong or do not go together. */
CROSSFADE_API struct crossfade_rules *crossfade_rules_new(struct crossfade_source map, struct crossfade_source flags,
							  struct crossfade_source catalog,
							  struct crossfade_policy policy,
							  struct crossfade_error *error_out);
/* The same from files; flags_path and catalog_path may be NULL. */
CROSSFADE_API struct crossfade_rules *crossfade_rules_load(const char *map_path, const char *flags_path,
							   const char *catalog_path, struct crossfade_policy policy,
							   struct crossfade_error *error_out);
CROSSFADE_API struct crossfade_rules *crossfade_rules_ref(struct crossfade_rules *rules);
CROSSFADE_API void crossfade_rules_unref(struct crossfade_rules *rules);

/* ---- sessions ---- */

/* search_path NULL: not known; texts that depend on it come back as CROSSFADE_NEED_SEARCH_PATH. */
CROSSFADE_API struct crossfade_session *crossfade_session_new(const char *database, const char *user,
							      const char *search_path);
CROSSFADE_API void crossfade_session_free(struct crossfade_session *session);
/* The server's word, as SHOW or a ParameterStatus message has it: search_path, client_encoding,
 * standard_conforming_strings, session_authorization, role (in this order, the last two). */
CROSSFADE_API void crossfade_session_set(struct crossfade_session *session, const char *name, const char *value);
/* There are these temporary tables and no others. */
CROSSFADE_API void crossfade_session_set_temporary(struct crossfade_session *session, const char *const *names,
						   size_t count);
/* After the server has run the whole text: its SETs, temporary tables, BEGINs and so on take effect.
 * A text that failed is not applied. */
CROSSFADE_API void crossfade_session_apply(struct crossfade_session *session, const struct crossfade_result *result);
/* Instead, where the server answers COMMIT with ROLLBACK. */
CROSSFADE_API void crossfade_session_rolled_back(struct crossfade_session *session);
/*
 * What to ask the server after CROSSFADE_NEED_SEARCH_PATH: queries without parameters, one after the
 * other. The answer's only column goes to crossfade_session_set under the name
 * `setting`; that of the query whose setting is NULL, to crossfade_session_set_temporary.
 */
struct crossfade_question {
	const char *sql, *setting;
};
CROSSFADE_API const struct crossfade_question *crossfade_session_questions(const struct crossfade_session *session,
									    size_t *count_out);

/* ---- rewriting ---- */

struct crossfade_limits {
	size_t parse_bytes; /* 0: the default */
	size_t cache_bytes; /* 0: no cache */
};

CROSSFADE_API struct crossfade_rewriter *crossfade_rewriter_new(struct crossfade_limits limits);
CROSSFADE_API void crossfade_rewriter_free(struct crossfade_rewriter *rewriter);

enum crossfade_outcome {
	CROSSFADE_UNCHANGED,	    /* send the original */
	CROSSFADE_REWRITTEN,	    /* send crossfade_result_sql */
	CROSSFADE_REFUSED,	    /* send nothing; crossfade_result_refusal says why */
	CROSSFADE_NEED_SEARCH_PATH, /* ask the server (crossfade_session_questions), and again */
};

/* Never NULL. session is not changed. */
CROSSFADE_API struct crossfade_result *crossfade_rewrite(struct crossfade_rewriter *rewriter,
							 const struct crossfade_rules *rules,
							 const struct crossfade_session *session, const char *sql,
							 size_t len);
CROSSFADE_API void crossfade_result_free(struct crossfade_result *result);

CROSSFADE_API enum crossfade_outcome crossfade_result_outcome(const struct crossfade_result *result);
/* REWRITTEN: the text, NUL-terminated; else NULL. */
CROSSFADE_API const char *crossfade_result_sql(const struct crossfade_result *result, size_t *len_out);
/* REFUSED: why; else NULL. */
CROSSFADE_API const struct crossfade_error *crossfade_result_refusal(const struct crossfade_result *result);
/* REFUSED: for those who must send something, the statements before the refused one and then one that
 * fails, so that transactions and pipelines end as after any error. */
CROSSFADE_API const char *crossfade_result_failing_sql(const struct crossfade_result *result, size_t *len_out);
/* Warnings to give to the client: in bodies of code, a name that has moved. */
CROSSFADE_API size_t crossfade_result_notices(const struct crossfade_result *result);
CROSSFADE_API struct crossfade_error crossfade_result_notice(const struct crossfade_result *result, size_t index);
/* A server's error position, 1-based, in characters of the rewritten text → of the original. */
CROSSFADE_API uint32_t crossfade_result_position(const struct crossfade_result *result, uint32_t position);

/* ---- answers ---- */

/* What an ErrorResponse or NoticeResponse says; NULL: nothing of that. */
struct crossfade_answer {
	const char *sqlstate, *message, *schema, *table, *column, *constraint;
	uint32_t position; /* 0: none */
};
/* What the server says of a statement of the text, counted from 0, told in the names and at the position that the
 * text has. What changes lives as long as result and rules, and until the next call for this result. */
CROSSFADE_API void crossfade_result_translate(struct crossfade_result *result, const struct crossfade_rules *rules,
					      const struct crossfade_session *session, size_t statement,
					      struct crossfade_answer *answer);

/* ---- parameters ---- */

/* The numbers of the parameters whose values are names of relations: $1::regclass, nextval($1), …
 * Parameters of renamed, retyped and computed columns keep the type of the old column by themselves. */
CROSSFADE_API const uint16_t *crossfade_result_parameters(const struct crossfade_result *result, size_t *count_out);
/* Such a value, as text: what to send in its place is the result's sql, if it was REWRITTEN. */
CROSSFADE_API struct crossfade_result *crossfade_rewrite_parameter(struct crossfade_rewriter *rewriter,
								   const struct crossfade_rules *rules,
								   const struct crossfade_session *session,
								   const char *value, size_t len);

/* ---- what was used ---- */

struct crossfade_use {
	const char *table; /* the entry's old name, "schema.table" */
	bool new_name;	   /* the text wrote the new name */
	const char *kind;  /* "select", "insert", … */
	bool rewritten, refused, unparsed;
	const char *statement; /* the statement without its literals; of a parameter: empty */
};
CROSSFADE_API size_t crossfade_result_uses(const struct crossfade_result *result);
/* Lives as long as the result. */
CROSSFADE_API struct crossfade_use crossfade_result_use(const struct crossfade_result *result, size_t index);

/* ---- explanation ---- */

struct crossfade_reference {
	size_t offset, len;   /* bytes of the original */
	const char *written;
	const char *resolved; /* "public.prices (search_path)", "CTE", … */
	const char *became;   /* NULL: unchanged */
	const char *rule;     /* as docs/rewriting.md lists them */
};
struct crossfade_explanation;
CROSSFADE_API struct crossfade_explanation *crossfade_explain(struct crossfade_rewriter *rewriter,
							      const struct crossfade_rules *rules,
							      const struct crossfade_session *session,
							      const char *sql, size_t len);
CROSSFADE_API size_t crossfade_explanation_count(const struct crossfade_explanation *explanation);
CROSSFADE_API const struct crossfade_reference *
crossfade_explanation_item(const struct crossfade_explanation *explanation, size_t index);
CROSSFADE_API void crossfade_explanation_free(struct crossfade_explanation *explanation);

#ifdef __cplusplus
}
#endif

#endif
