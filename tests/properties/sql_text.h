/*
 * Statements out of files meant for psql: its commands, variables and COPY
 * data are left out, so that what remains can be given to a parser.
 */
#ifndef CROSSFADE_PROPERTIES_SQL_TEXT_H
#define CROSSFADE_PROPERTIES_SQL_TEXT_H

#include "base/slice.h"
#include "rewrite/lexer.h"

typedef void sql_statement_fn(void *context, struct slice statement, unsigned line);

/* Calls back for each statement of the text, without its semicolon. */
void sql_text_each(struct slice text, sql_statement_fn *each, void *context);

#endif
