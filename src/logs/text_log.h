/*
 * PostgreSQL's plain log (stderr), whose lines begin with log_line_prefix.
 * Bytes come in pieces of any size; memory is bounded by one entry's limit.
 */
#ifndef CROSSFADE_LOGS_TEXT_LOG_H
#define CROSSFADE_LOGS_TEXT_LOG_H

#include "base/error.h"
#include "logs/record.h"

struct text_log;

/* prefix: as in postgresql.conf, such as "%m [%p] %q%u@%d/%a ". False: it has an escape that is not known. */
bool text_log_new(const char *prefix, struct log_reader *reader, struct text_log **log_out, struct error *error_out);
void text_log_feed(struct text_log *log, struct slice bytes);
/* The input is over. */
void text_log_end(struct text_log *log);
void text_log_free(struct text_log *log);

#endif
