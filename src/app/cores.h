/* How many threads can run at once here: by affinity and by cgroup quota. */
#ifndef CROSSFADE_APP_CORES_H
#define CROSSFADE_APP_CORES_H

#include <stdint.h>

uint32_t cores_usable(void); /* at least 1 */

#endif
