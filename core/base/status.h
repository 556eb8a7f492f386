/* status.h - failure is a value: codes, the thread's error record, and the words that pass a failure on.
 *
 * A function that can fail returns lop_status (include/lop.h): 0, or a negative code that says whose fault it was.
 * The sentence that goes with it stands in a thread-local record, written once by LOP_FAIL where the failure is
 * found and added to by lop_note on the way up. */
#ifndef LOP_CORE_BASE_STATUS_H
#define LOP_CORE_BASE_STATUS_H

#include "include/lop.h"

#if defined(__GNUC__)
#define LOP_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define LOP_CHECKED           __attribute__((warn_unused_result))
#else
#define LOP_PRINTF(fmt, args)
#define LOP_CHECKED
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Records code and sentence for this thread and returns code. Use LOP_FAIL, which adds the place. */
lop_status lop_fail(lop_status code, const char *file, int line, const char *format, ...) LOP_PRINTF(4, 5);

/* Adds where the failure happened to the thread's sentence: "...; while pruning block 3". */
void lop_note(const char *format, ...) LOP_PRINTF(1, 2);

/* Forgets the thread's record; what was reported and survived is not reported again. */
void lop_error_clear(void);

/* Copies the calling thread's record, and puts a copy into this thread: a worker's failure is the caller's. */
typedef struct lop_error_record {
    lop_status code;
    char place[96];
    char text[1024];
} lop_error_record;
void lop_error_save(lop_error_record *out);
void lop_error_restore(const lop_error_record *record);

#ifdef __cplusplus
}
#endif

/* Records a failure and is its code: by the macro and not by what the call returns, so that a reader of one file, an
 * analyser too, sees that it is not LOP_OK. `code` is worked out twice. */
#define LOP_FAIL(code, ...) ((void)lop_fail((code), __FILE__, __LINE__, __VA_ARGS__), (code))

/* Returns the status of the call if it failed. */
#define LOP_TRY(call)                                                                                        \
    do {                                                                                                     \
        const lop_status lop_try_status = (call);                                                            \
        if (lop_try_status != LOP_OK) return lop_try_status;                                                 \
    } while (0)

/* Goes to `done:` with the function's own `status` set if the call failed. */
#define LOP_TRY_DONE(call)                                                                                   \
    do {                                                                                                     \
        status = (call);                                                                                     \
        if (status != LOP_OK) goto done;                                                                     \
    } while (0)

#endif
