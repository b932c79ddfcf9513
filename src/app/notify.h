/*
 * systemd's notify protocol: a datagram to the socket that the environment
 * names. Does nothing where there is none.
 */
#ifndef CROSSFADE_APP_NOTIFY_H
#define CROSSFADE_APP_NOTIFY_H

void notify_ready(void);
void notify_reloading(void); /* notify_ready ends it */
void notify_stopping(void);

#endif
