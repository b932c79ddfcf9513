/* How many sessions one name (an address, a user) may have at once, over all workers. */
#ifndef CROSSFADE_PROXY_QUOTA_H
#define CROSSFADE_PROXY_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

struct quota;

/* max 0: any number, and nothing is counted. */
struct quota *quota_new(uint32_t max);
void quota_free(struct quota *quota);
/* False: the name has as many as it may. */
bool quota_take(struct quota *quota, const char *name);
void quota_give(struct quota *quota, const char *name);

#endif
