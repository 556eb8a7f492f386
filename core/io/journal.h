/* journal.h - the journal of a folder in the making: one synced line each for the beginning, every unit of work done, and
 * the beginning of publication. Internal to core/io; output.h is what others use.
 *
 *   {"begin":FINGERPRINT,"layout":"sha256 of the planned files"}
 *   {"tensors":[3,4,5],"done":LINE}
 *   {"remove":["old.safetensors"],"publish":["model.safetensors",...,"config.json"]}
 *
 * A last line that is cut off or damaged was never relied on and is dropped. */
#ifndef LOP_CORE_IO_JOURNAL_H
#define LOP_CORE_IO_JOURNAL_H

#include "core/base/file.h"
#include "core/base/status.h"
#include "core/base/text.h"
#include "core/io/json.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct lop_journal_unit {
    char *line;      /* LINE, as it was given */
    json_t *tensors; /* numbers of the tensors that it wrote */
} lop_journal_unit;

typedef struct lop_journal {
    char *path;
    json_t *begin;   /* the first line; NULL: no run was begun */
    json_t *publish; /* the publication; NULL: not begun */
    lop_journal_unit *unit;
    int32_t count, room;
} lop_journal;

/* Reads what is there; no file is an empty journal. LOP_E_FORMAT when a line before the last is damaged. */
LOP_CHECKED lop_status lop_journal_open(const char *path, lop_journal *out);
void lop_journal_close(lop_journal *j);

/* LOP_E_ARGUMENT when the begun run had another fingerprint or layout: the sentence names the first difference. */
LOP_CHECKED lop_status lop_journal_match(const lop_journal *j, const char *fingerprint, const char *layout);

LOP_CHECKED lop_status lop_journal_begin(lop_journal *j, const char *fingerprint, const char *layout);

/* `line` is one JSON object without line breaks; LOP_E_ARGUMENT otherwise. */
LOP_CHECKED lop_status lop_journal_add(lop_journal *j, const int32_t *tensors, int32_t count,
                                       const char *line);

/* Files to remove first, then files to publish in this order. */
LOP_CHECKED lop_status lop_journal_publish(lop_journal *j, const lop_names *remove, const lop_names *publish);

#endif
