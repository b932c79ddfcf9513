/*
 * Names and statements come from clients in whatever encoding they speak; the
 * ledger holds printable UTF-8 of bounded length, so that every reader (JSON,
 * a terminal, SQLite's own shell) can take it as it is.
 */
#ifndef CROSSFADE_USAGE_TEXT_H
#define CROSSFADE_USAGE_TEXT_H

#include "base/slice.h"

/*
 * Copies text to out (capacity bytes, NUL included): control characters
 * become spaces, bytes that are no UTF-8 become '?', what does not fit is cut
 * at a character's edge and ends in "...". Returns the length.
 */
size_t usage_text_clean(struct slice text, char *out, size_t capacity);

#endif
