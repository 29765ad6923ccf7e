/* Crash points of a lane that was built with GW_CRASH_HOOKS: each border between a record, its application and a send is counted and told. */
#ifndef GW_RIM_CRASH_H
#define GW_RIM_CRASH_H
#include <stdint.h>

/* 1 if this build has crash points; without them nothing here is ever called. */
int gw_crash_hooks(void);
/* From now on: `tell` (may be NULL) is called at every point with its ordinal, from 0, and the process ends like a killed one, with exit
 * code 137 and nothing flushed, at point `at` (negative: never). */
void gw_crash_arm(int64_t at, void (*tell)(int64_t point));
/* The lane is at a point (core.h, GW_CRASH_POINT). */
void gw_crash_point(void);
#endif
