/* clock.h - the host's clock, for figures of time in reports: never for a decision. */
#ifndef LOP_CORE_BASE_CLOCK_H
#define LOP_CORE_BASE_CLOCK_H

/* Seconds since some fixed point; differences count. */
double lop_clock_seconds(void);

#endif
