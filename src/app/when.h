/* Points in time as people type them: 2026-11-01, 2026-11-01T12:30, 7d (ago). */
#ifndef CROSSFADE_APP_WHEN_H
#define CROSSFADE_APP_WHEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A date or date and time (ISO 8601; UTC unless it ends in an offset such as
 * +02:00), or a duration before now: a number and s, m, h, d or w.
 */
bool when_parse(const char *text, int64_t now_ms, int64_t *ms_out);

enum { WHEN_BYTES = 32 };
/* 2026-11-01 12:30 (UTC); returns out. */
const char *when_print_minute(int64_t ms, char out[WHEN_BYTES]);
/* 2026-11-01T12:30:00Z; returns out. */
const char *when_print_iso(int64_t ms, char out[WHEN_BYTES]);

#endif
