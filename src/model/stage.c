#include "model/stage.h"

#include <stddef.h>
#include <string.h>

static const char *const names[STAGE_COUNT] = {
	[STAGE_OLD] = "old",   [STAGE_DUALWRITE] = "dualwrite", [STAGE_SHADOW] = "shadow",
	[STAGE_LIVE] = "live", [STAGE_RAMPDOWN] = "rampdown",	[STAGE_COMPLETE] = "complete",
};

const char *stage_name(enum stage stage)
{
	return names[stage];
}

bool stage_parse(const char *text, enum stage *stage_out)
{
	for (int i = 0; i < STAGE_COUNT; i++) {
		if (strcmp(text, names[i]) == 0) {
			*stage_out = (enum stage)i;
			return true;
		}
	}
	return false;
}

enum side stage_side(enum stage stage)
{
	return stage >= STAGE_LIVE ? SIDE_NEW : SIDE_OLD;
}

const char *side_name(enum side side)
{
	return side == SIDE_OLD ? "old" : "new";
}
