/* page_reader.h - a page of HTML read back: its tables by id, cell by cell, and whether it is well formed and stands alone.
 * What goes wrong fails the running cmocka test. */
#ifndef LOP_TESTS_PRUNE_PAGE_READER_H
#define LOP_TESTS_PRUNE_PAGE_READER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct page_cell {
    char text[256]; /* as it is read: entities put back, what is longer cut */
    double exact;   /* value of the <data> around it; NAN: none */
} page_cell;

enum { PAGE_CELLS_MOST = 32 };

typedef struct page_row {
    page_cell at[PAGE_CELLS_MOST];
    int count;
} page_row;

/* The rows of a table's body; the caller frees *rows with free. No such table: 0 and NULL. */
size_t page_table(const char *page, const char *id, page_row **rows);

/* Every tag is closed in order, no bare & or < stands in a text, no control character; and nothing is loaded from elsewhere
 * or run. */
void page_check(const char *page);

/* How often `words` stand in the page. */
size_t page_count(const char *page, const char *words);

#endif
