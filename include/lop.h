/* lop.h - the public interface of liblop: prune trained language models on any machine.
 *
 * Everything the program `lop` does it does through this header. In order of need:
 *
 *   1. Open a session: it holds the processor, the threads and the memory budgets.
 *   2. Open a model: a Hugging Face folder or one .gguf file. Only headers are read.
 *   3. Call what you want done: lop_prune, lop_eval, lop_generate, lop_verify, ...
 *   4. Read the result, close what you opened.
 *
 *     lop_session *session = NULL;
 *     lop_model *model = NULL;
 *     lop_result *result = NULL;
 *     const lop_setting how[] = {{"sparsity-ratio", "0.5"}, {"calib", "text.txt"}};
 *     lop_status status = lop_session_open(NULL, 0, &session);
 *     if (status == LOP_OK) status = lop_model_open(session, "model-folder", &model);
 *     if (status == LOP_OK) status = lop_prune(model, "wanda", how, 2, "pruned-folder", &result);
 *     if (status != LOP_OK) fprintf(stderr, "%s\n", lop_error());
 *
 * Settings are names and values as on the command line, without the dashes: "sparsity-ratio" = "0.5". A flag's value
 * is "on" or "off". What each call understands is listed by lop_options; an unknown name is LOP_E_ARGUMENT.
 *
 * Threads: one session, and the models opened in it, belong to one thread at a time; lop_session_stop may be called
 * from anywhere, a signal handler too. Different sessions may run in different threads.
 * Strings and objects returned through an out-parameter belong to the caller, who closes them; strings returned as
 * `const char *` belong to the object they describe. close(NULL) is allowed. On failure every out-parameter is NULL. */
#ifndef LOP_H
#define LOP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LOP_VERSION_MAJOR 0
#define LOP_VERSION_MINOR 1
#define LOP_VERSION_PATCH 0
#define LOP_VERSION       "0.1.0"

#if defined(LOP_BUILD) && defined(__GNUC__)
#define LOP_API __attribute__((visibility("default")))
#else
#define LOP_API
#endif

/* ------------------------------------------------------------------------------------------------ status */

/* Every failure once: name, value (pinned), exit code of the program, whose fault it is. */
#define LOP_STATUS_LIST(X)                                                                                   \
    X(OK, 0, 0, "done")                                                                                      \
    X(E_ARGUMENT, -1, 2, "a wrong argument or option")                                                       \
    X(E_MEMORY, -2, 4, "not enough host memory")                                                             \
    X(E_DEVICE_MEMORY, -3, 4, "not enough device memory")                                                    \
    X(E_DEVICE, -4, 5, "a device or its driver failed")                                                      \
    X(E_FILE, -5, 3, "an input file cannot be read")                                                         \
    X(E_FORMAT, -6, 3, "an input file is not what it should be")                                             \
    X(E_UNSUPPORTED, -7, 3, "this build or version cannot do that")                                          \
    X(E_NUMERIC, -8, 6, "the numbers went wrong")                                                            \
    X(E_COMM, -9, 7, "another rank failed")                                                                  \
    X(E_OUTPUT, -10, 8, "output cannot be written")                                                          \
    X(E_DISK, -11, 4, "not enough disk")                                                                     \
    X(E_VERIFY, -12, 1, "the check did not pass")                                                            \
    X(E_STOPPED, -13, 130, "stopped on request; the run can be resumed")                                     \
    X(E_INTERNAL, -14, 70, "our own mistake")

typedef enum lop_status {
#define LOP_STATUS_ENUM(name, value, exit_code, words) LOP_##name = (value),
    LOP_STATUS_LIST(LOP_STATUS_ENUM)
#undef LOP_STATUS_ENUM
} lop_status;

/* This thread's last failure in one sentence: what, got, expected, and what to do. "" when there was none. */
LOP_API const char *lop_error(void);

/* Where in the library it was found ("core/io/gguf.c:88"): for reports of mistakes, not for users. */
LOP_API const char *lop_error_place(void);

LOP_API const char *lop_status_name(lop_status status);

/* The exit code of the program for this status: 0, 1 verify, 2 argument, 3 input, 4 memory or disk, 5 device,
 * 6 numeric, 7 rank, 8 output, 70 internal, 130 stopped. */
LOP_API int lop_status_exit(lop_status status);

/* "0.1.0", as the library was built. */
LOP_API const char *lop_version(void);

/* ------------------------------------------------------------------------------------------------ options */

typedef struct lop_setting {
    const char *name;  /* "sparsity-ratio"; underscores are read as hyphens */
    const char *value; /* "0.5" */
} lop_setting;

typedef enum lop_option_kind {
    LOP_OPTION_FLAG,   /* on | off */
    LOP_OPTION_INT,    /* a whole number in [low, high] */
    LOP_OPTION_REAL,   /* a number in [low, high] */
    LOP_OPTION_BYTES,  /* 20G, 512M, 1048576; binary units */
    LOP_OPTION_CHOICE, /* one of `choices`, parted by | */
    LOP_OPTION_TEXT,   /* any text */
    LOP_OPTION_PATH    /* a file or folder */
} lop_option_kind;

/* One option, as the command line, the man page, the documents and the tests read it. */
typedef struct lop_option {
    const char *name;  /* "block-size" */
    const char *alias; /* other names, parted by |; NULL: none */
    lop_option_kind kind;
    const char *default_text; /* the value when it is left out; NULL: none */
    double low, high;         /* range of INT and REAL, both inclusive; low == high: any */
    const char *choices;      /* of CHOICE: "on|off" */
    const char *unit;         /* "tokens"; NULL: none */
    const char *help;         /* one line */
    const char *source;       /* paper, equation, reference file; NULL: ours */
} lop_option;

/* The options of a call, by its name without "lop_" ("session", "prune", "eval", ...), and those that a method adds
 * when `method` is not NULL. *count receives how many; the table is the library's. NULL for an unknown name. */
LOP_API const lop_option *lop_options(const char *call, int *count);
LOP_API const lop_option *lop_method_options(const char *method, int *count);

/* The option of a table whose name or alias is nearest to a misspelt one, and how many letters change; NULL when none is
 * near enough to be meant. */
LOP_API const lop_option *lop_option_nearest(const lop_option *table, int count, const char *name,
                                             int *distance);

typedef struct lop_method_info {
    const char *name;    /* "wanda" */
    const char *alias;   /* NULL: none */
    const char *summary; /* one line */
    const char *source;  /* paper and reference code */
    int supported;       /* 0: known, not built yet */
} lop_method_info;

/* The methods, 0 <= index < lop_method_count(). */
LOP_API int lop_method_count(void);
LOP_API lop_method_info lop_method_at(int index);

/* ------------------------------------------------------------------------------------------------ results */

/* What a call found: one JSON object, with the keys that the manual gives for the command of the same name. */
typedef struct lop_result lop_result;

/* The whole object as JSON text on one line; belongs to the result. */
LOP_API const char *lop_result_json(const lop_result *result);

/* A number by key, "sparsity.prunable" for a nested one. LOP_E_ARGUMENT if it is not there or no number. */
LOP_API lop_status lop_result_number(const lop_result *result, const char *key, double *out);

LOP_API void lop_result_close(lop_result *result);

/* ------------------------------------------------------------------------------------------------ session */

typedef struct lop_session lop_session;

typedef enum lop_event_kind {
    LOP_EVENT_NOTE,     /* something worth knowing */
    LOP_EVENT_WARNING,  /* something that may be wrong */
    LOP_EVENT_PROGRESS, /* `done` of `total` */
    LOP_EVENT_STAGE     /* a stage began or ended; `json` names it */
} lop_event_kind;

typedef struct lop_event {
    lop_event_kind kind;
    const char *text;   /* for people, one line */
    const char *json;   /* one JSON object with "event"; never NULL */
    double done, total; /* of PROGRESS; in blocks, windows or tokens as `text` says */
} lop_event;

typedef void lop_event_fn(const lop_event *event, void *user);

/* Opens a session. Settings: backend (cpu|cuda|opencl|auto), device, threads, math, fast, forward-batch; the names
 * max-device-mem and max-host-mem are kept for budgets, which this version refuses.
 * The device itself is opened at the first call that computes.
 * Errors: LOP_E_ARGUMENT, LOP_E_MEMORY, LOP_E_UNSUPPORTED. */
LOP_API lop_status lop_session_open(const lop_setting *settings, int count, lop_session **out);
LOP_API void lop_session_close(lop_session *session);

/* Sends every event of this session to `fn`, in the thread that runs the call. NULL ends it. */
LOP_API void lop_session_watch(lop_session *session, lop_event_fn *fn, void *user);

/* Asks the running call to end at the next safe point with LOP_E_STOPPED. Safe in a signal handler. */
LOP_API void lop_session_stop(lop_session *session);

/* What this build sees, best first, and why others are missing: devices [...], missing [...]. */
LOP_API lop_status lop_devices(lop_session *session, lop_result **out);

/* ------------------------------------------------------------------------------------------------ models */

typedef struct lop_model lop_model;

/* Opens a Hugging Face folder or a .gguf file: headers, config and shapes are read and checked, no tensor is.
 * The session must outlive the model. Errors: LOP_E_FILE, LOP_E_FORMAT, LOP_E_UNSUPPORTED, LOP_E_MEMORY. */
LOP_API lop_status lop_model_open(lop_session *session, const char *path, lop_model **out);
LOP_API void lop_model_close(lop_model *model);

/* Family, shapes, dtypes, prunable weights, zeros already there. */
LOP_API lop_status lop_info(lop_model *model, const lop_setting *settings, int count, lop_result **out);

/* Writes the pruned model to the folder `save` and its report beside it. A run that stops, for whatever reason, leaves
 * `save` as it was but for a hidden folder from which the setting resume=on goes on. The setting "command" (argv as a JSON
 * array) goes into the report as it is. */
LOP_API lop_status lop_prune(lop_model *model, const char *method, const lop_setting *settings, int count,
                             const char *save, lop_result **out);

/* Device, host and disk bytes and floating-point work of a prune, per stage; runs nothing. */
LOP_API lop_status lop_plan(lop_model *model, const char *method, const lop_setting *settings, int count,
                            lop_result **out);

/* Perplexity over `text` or `tokens`, or accuracy on the questions of `choices`: just one of the three settings. */
LOP_API lop_status lop_eval(lop_model *model, const lop_setting *settings, int count, lop_result **out);

/* Greedy continuation of a prompt. */
LOP_API lop_status lop_generate(lop_model *model, const lop_setting *settings, int count, lop_result **out);

/* The ids that prune and eval would use. */
LOP_API lop_status lop_tokenize(lop_model *model, const lop_setting *settings, int count, lop_result **out);

/* The same model in the other format or another dtype; nothing else changes. */
LOP_API lop_status lop_convert(lop_model *model, const char *save, const lop_setting *settings, int count,
                               lop_result **out);

/* Reads the files of a pruned folder again and holds them against its report (and, with the setting `against`, against
 * the source). LOP_E_VERIFY when the check ran and did not pass: *out is then set all the same and names what failed. */
LOP_API lop_status lop_verify(lop_session *session, const char *folder, const lop_setting *settings,
                              int count, lop_result **out);

/* Keep masks as files. `verb`: "apply" puts the zeros of settings masks into model, written to save; "diff"; "union". */
LOP_API lop_status lop_mask(lop_session *session, const char *verb, const lop_setting *settings, int count,
                            lop_result **out);

/* A model of a named shape with seeded random weights, for benchmarks. */
LOP_API lop_status lop_synth(lop_session *session, const char *shape, const char *save,
                             const lop_setting *settings, int count, lop_result **out);

/* One self-contained HTML page over the report of a pruned folder: written to `save`, over a page that is already there and
 * over nothing else. A report that does not agree with its own digest is drawn, and the page and the result say so. */
LOP_API lop_status lop_report(lop_session *session, const char *folder, const char *save, lop_result **out);

#ifdef __cplusplus
}
#endif

#endif
