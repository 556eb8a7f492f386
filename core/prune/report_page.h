/* report_page.h - a report as one page of HTML that stands alone: pictures, and all numbers as tables.
 *
 * A report that does not agree with its own digest is drawn all the same, with a sentence on top that says so: a page is
 * for reading, and `lop verify` is what proves. */
#ifndef LOP_CORE_PRUNE_REPORT_PAGE_H
#define LOP_CORE_PRUNE_REPORT_PAGE_H

#include "core/base/log.h"

/* Reads folder/prune_report.json and writes the page to `save`, over a page that is already there. *result receives a JSON
 * object {page, bytes, sealed}; the caller frees it with lop_free.
 * Errors: LOP_E_FILE, LOP_E_FORMAT, LOP_E_UNSUPPORTED (the report); LOP_E_ARGUMENT: `save` is a folder, or a file that is
 * no page; LOP_E_OUTPUT, LOP_E_DISK. */
LOP_CHECKED lop_status lop_report_page(const char *folder, const char *save, lop_log *log, char **result);

#endif
