/* crash_points.h - a process that dies at a chosen system call: the calls of core/base and core/io that change what is on
 * disk are counted, and the n-th ends the process before it is made. */
#ifndef LOP_TESTS_IO_CRASH_POINTS_H
#define LOP_TESTS_IO_CRASH_POINTS_H

#define CRASH_EXIT 77

/* From here on, the n-th call ends the process with CRASH_EXIT; 0: none. */
void crash_at(int n);

#endif
