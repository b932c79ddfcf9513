/* Files of SQL, read statement by statement, and every name of a relation in them. */
#ifndef CROSSFADE_PROPERTIES_CORPUS_H
#define CROSSFADE_PROPERTIES_CORPUS_H

#include "base/arena.h"
#include "model/name.h"
#include "rewrite/parse.h"

struct corpus_statement {
	const char *file;
	unsigned line;
	struct slice sql;
};

struct corpus {
	struct arena arena;
	struct corpus_statement *statements;
	size_t count, capacity;
	struct rel_name *names; /* sorted, each once; unqualified ones have the schema of canonical.h */
	size_t name_count, name_capacity;
	const char *file; /* private */
};

void corpus_init(struct corpus *corpus);
void corpus_deinit(struct corpus *corpus);
/* A file, or all *.sql of a folder; files of golden cases and of AEGIS end in .case and .cases. */
bool corpus_add(struct corpus *corpus, const char *path);
void corpus_collect_names(struct corpus *corpus);

/* The tree of one text; NULL: the parser does not take it. */
const PgQuery__ParseResult *corpus_parse(struct arena *arena, struct slice sql);

#endif
