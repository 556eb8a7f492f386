/* cblas_aborts.c - stands before the CBLAS (LD_PRELOAD) and ends the program where a product is worked out by the host. */
#include <stdio.h>
#include <stdlib.h>

static void caught(const char *name)
{
    (void)fprintf(stderr, "%s was called\n", name);
    abort();
}

void cblas_sgemm(void);
void cblas_sgemm(void)
{
    caught("cblas_sgemm");
}

void cblas_sgemv(void);
void cblas_sgemv(void)
{
    caught("cblas_sgemv");
}

void cblas_dgemm(void);
void cblas_dgemm(void)
{
    caught("cblas_dgemm");
}
