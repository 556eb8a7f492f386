/* sheet.h - the frame of a page that stands alone: nothing is loaded from elsewhere, no script runs, and the style knows day,
 * night, narrow windows and paper. */
#ifndef LOP_CORE_PAGE_SHEET_H
#define LOP_CORE_PAGE_SHEET_H

#include "core/page/markup.h"

/* Everything up to the content. `style` is what the page's own classes mean, behind the style that all pages share: pieces of
 * CSS, ended by NULL. */
void lop_sheet_open(lop_markup *m, const char *title, const char *const *style);
void lop_sheet_close(lop_markup *m);

#endif
