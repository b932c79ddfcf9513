/*
 * What one round of reading gives to write to one side. As long as all of it
 * lies in one run of the read buffer, it is written from there; as soon as
 * something else comes between, all is gathered in a scratch buffer of the
 * worker. Either way one write follows.
 */
#ifndef CROSSFADE_PROXY_OUTPUT_H
#define CROSSFADE_PROXY_OUTPUT_H

#include "base/buf.h"

struct output {
	const char *run;
	size_t run_len;
	struct buf *scratch; /* the worker's; holds all once it is not empty */
};

static inline struct output output_of(struct buf *scratch)
{
	buf_clear(scratch);
	return (struct output){ .scratch = scratch };
}

/* To append messages of our own, after all that was passed before. */
struct buf *output_own(struct output *output);

/* Bytes of the read buffer, which stay in place until the round is written. */
static inline void output_pass(struct output *output, const char *data, size_t len)
{
	if (!output->scratch->len && len && (!output->run_len || output->run + output->run_len == data)) {
		if (!output->run_len)
			output->run = data;
		output->run_len += len;
	} else if (len) {
		buf_append(output_own(output), data, len);
	}
}

static inline struct slice output_slice(const struct output *output)
{
	return output->scratch->len ? buf_slice(output->scratch) : slice_of(output->run, output->run_len);
}

#endif
