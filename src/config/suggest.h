/* "Did you mean …?" for keys, stages and table names. */
#ifndef CROSSFADE_CONFIG_SUGGEST_H
#define CROSSFADE_CONFIG_SUGGEST_H

#include <stddef.h>

/* The closest of the choices, or NULL when none is close enough to be a typo. */
const char *suggest_word(const char *word, const char *const *choices, size_t count);

#endif
