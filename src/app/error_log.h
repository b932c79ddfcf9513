/* An error as one log line, for errors that have no client or terminal to go to. */
#ifndef CROSSFADE_APP_ERROR_LOG_H
#define CROSSFADE_APP_ERROR_LOG_H

#include "base/error.h"
#include "base/log.h"

/* database NULL: about no database in particular. */
void error_log(enum log_level level, const char *event, const char *database, const struct error *error);

#endif
