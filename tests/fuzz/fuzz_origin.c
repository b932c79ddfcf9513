/* The comment at the end of a statement that says where it comes from (sqlcommenter). */
#include "fuzz.h"
#include "rewrite/origin.h"

#include <stdlib.h>

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_values(const struct origin *origin)
{
	bool any = false;
	for (int i = 0; i < ORIGIN_KEY_COUNT; i++) {
		must(memchr(origin->values[i], '\0', ORIGIN_VALUE_BYTES) != NULL);
		any |= origin->values[i][0] != '\0';
	}
	must(any);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct origin origin, again, untouched;
	struct slice sql = slice_of((const char *)data, size);
	memset(&origin, 0x5a, sizeof(origin));
	untouched = origin;
	if (!origin_read(sql, &origin)) {
		must(memcmp(&origin, &untouched, sizeof(origin)) == 0);
		return 0;
	}
	must(origin_is_likely(sql));
	check_values(&origin);
	must(origin_read(sql, &again) && memcmp(&origin, &again, sizeof(origin)) == 0);
	return 0;
}
