/* The words that a catalog's file uses; read and written by two files. */
#ifndef CROSSFADE_CONFIG_CATALOG_WORDS_H
#define CROSSFADE_CONFIG_CATALOG_WORDS_H

#include "model/facts.h"

enum { CATALOG_KIND_COUNT = FACT_COMPOSITE + 1 };

extern const char *const catalog_kind_words[CATALOG_KIND_COUNT]; /* by enum fact_kind */
extern const char *const catalog_identity_words[2];		 /* always, by default */
extern const char *const catalog_code_words[2];			 /* session, catalog: bit by bit of enum fact_code_flag */

#endif
