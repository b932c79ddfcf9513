/* PostgreSQL's csvlog. Bytes come in pieces of any size; memory is bounded by one field's limit. */
#ifndef CROSSFADE_LOGS_CSV_LOG_H
#define CROSSFADE_LOGS_CSV_LOG_H

#include "logs/record.h"

struct csv_log;

struct csv_log *csv_log_new(struct log_reader *reader);
void csv_log_feed(struct csv_log *log, struct slice bytes);
void csv_log_end(struct csv_log *log);
void csv_log_free(struct csv_log *log);

#endif
