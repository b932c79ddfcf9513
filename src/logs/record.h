/*
 * One statement that was found outside of the proxy: in a log, in
 * pg_stat_statements, in a file. Texts are borrowed for the call.
 */
#ifndef CROSSFADE_LOGS_RECORD_H
#define CROSSFADE_LOGS_RECORD_H

#include "base/slice.h"

#include <stdint.h>

struct log_record {
	struct slice sql;
	const char *user, *database, *application, *address; /* NULL: not said */
	uint64_t session;  /* the same for all of one session; 0: not said */
	int64_t time_ms;   /* 0: not said */
	uint64_t count;	   /* how often it ran */
	uint64_t rows;
	bool failed;	   /* the server's error message quotes it */
	bool ends;	   /* no statement: the session ended */
	bool prepared;	   /* no statement of its own: the PREPARE of what the EXECUTE just before it ran */
};

/* What could not be taken from the input. */
struct log_losses {
	uint64_t unreadable; /* lines or entries in another format */
	uint64_t cut;	     /* statements longer than the limit, or whose rest is missing */
};

struct log_reader {
	void *context;
	void (*record)(void *context, const struct log_record *record);
	struct log_losses losses;
};

enum {
	LOG_STATEMENT_MAX_BYTES = 1 << 20,
	LOG_FIELD_MAX_BYTES = 256, /* a name */
};

#endif
