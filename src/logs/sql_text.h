/*
 * A file of SQL, as psql reads it, one statement at a time: commands of psql
 * and the data behind COPY … FROM STDIN are left out. Bytes come in pieces of
 * any size; memory is bounded by one statement's limit.
 */
#ifndef CROSSFADE_LOGS_SQL_TEXT_H
#define CROSSFADE_LOGS_SQL_TEXT_H

#include "logs/record.h"

struct sql_text;

/* application: how the statements' origin is called; copied. */
struct sql_text *sql_text_new(const char *application, struct log_reader *reader);
void sql_text_feed(struct sql_text *text, struct slice bytes);
void sql_text_end(struct sql_text *text);
void sql_text_free(struct sql_text *text);

#endif
