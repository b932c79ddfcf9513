/*
 * How fuzz targets read an input as a dialogue: records of one byte for the
 * side ('c' client, else server), one byte length, and so many bytes.
 */
#ifndef CROSSFADE_TESTS_FUZZ_DIALOGUE_H
#define CROSSFADE_TESTS_FUZZ_DIALOGUE_H

#include "base/slice.h"

#include <stdint.h>

static inline bool dialogue_next(struct slice *rest, bool *client_out, struct slice *bytes_out)
{
	if (rest->len < 2)
		return false;
	size_t len = (uint8_t)rest->data[1];
	if (len > rest->len - 2)
		len = rest->len - 2;
	*client_out = rest->data[0] == 'c';
	*bytes_out = slice_of(rest->data + 2, len);
	*rest = slice_of(rest->data + 2 + len, rest->len - 2 - len);
	return true;
}

#endif
