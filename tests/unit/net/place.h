/* A loop of the test's own, a folder of its own, and sockets that others bind. */
#ifndef CROSSFADE_TESTS_NET_PLACE_H
#define CROSSFADE_TESTS_NET_PLACE_H

#include "net/address.h"

#include <uv.h>

struct place {
	uv_loop_t loop;
	char folder[64];
};

void place_init(struct place *place);
/* Runs the loop to its end, and fails when handles are left open. */
void place_deinit(struct place *place);
/* Runs the loop until *done, or fails after five seconds. */
void place_run(struct place *place, const bool *done);

/* A socket bound to a free port of the address, listening if backlog >= 0. */
int place_bind(const char *host, int backlog, uint16_t *port_out);
/* A port on which nobody listens. */
uint16_t place_free_port(void);

#endif
