/*
 * One line per event to stderr, as logfmt or JSON, written with one write(2)
 * so that lines of several threads never mix. Lower layers log at debug only;
 * the boundary logs once, with context. Values are escaped; callers never
 * pass literals, parameters or passwords.
 */
#ifndef CROSSFADE_BASE_LOG_H
#define CROSSFADE_BASE_LOG_H

#include "base/slice.h"

#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_FATAL };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

enum log_kind { LOG_KIND_TEXT, LOG_KIND_SIGNED, LOG_KIND_UNSIGNED };

struct log_field {
	const char *key;
	enum log_kind kind;
	struct slice text; /* fields whose text has no data are left out */
	int64_t number;
};

void log_setup(enum log_level level, enum log_format format);
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count);

#define LOG_STR(k, v) ((struct log_field){ .key = (k), .kind = LOG_KIND_TEXT, .text = slice_str(v) })
#define LOG_SLICE(k, v) ((struct log_field){ .key = (k), .kind = LOG_KIND_TEXT, .text = (v) })
#define LOG_INT(k, v) ((struct log_field){ .key = (k), .kind = LOG_KIND_SIGNED, .number = (int64_t)(v) })
#define LOG_UINT(k, v) ((struct log_field){ .key = (k), .kind = LOG_KIND_UNSIGNED, .number = (int64_t)(v) })

/* LOG(LOG_INFO, "session_end", LOG_STR("reason", reason), LOG_UINT("bytes", bytes)); */
#define LOG(level, event, ...)                                                                     \
	do {                                                                                       \
		if (log_enabled(level)) {                                                          \
			const struct log_field log_fields_[] = { __VA_ARGS__ };                    \
			log_write(level, event, log_fields_,                                       \
				  sizeof(log_fields_) / sizeof(log_fields_[0]));                   \
		}                                                                                  \
	} while (0)

#endif
