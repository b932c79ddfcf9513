/* PostgreSQL's jsonlog: one object a line. Bytes come in pieces of any size; memory is bounded by one line's limit. */
#ifndef CROSSFADE_LOGS_JSON_LOG_H
#define CROSSFADE_LOGS_JSON_LOG_H

#include "logs/record.h"

struct json_log;

struct json_log *json_log_new(struct log_reader *reader);
void json_log_feed(struct json_log *log, struct slice bytes);
void json_log_end(struct json_log *log);
void json_log_free(struct json_log *log);

#endif
