/* opencl_program.h - the kernels' text, and programs made of it. */
#ifndef LOP_BACKENDS_OPENCL_PROGRAM_H
#define LOP_BACKENDS_OPENCL_PROGRAM_H

#include "backends/opencl/opencl_device.h"

/* Lines of OpenCL C, embedded when the library is built; WORD and PACKS are defined by the options. */
typedef struct opencl_text {
    const char *const *lines;
    size_t count;
} opencl_text;
extern const opencl_text opencl_kernels;

/* The program of all kernels of one instance, built or taken from the cache the first time. The device owns it. */
LOP_CHECKED lop_status opencl_program_get(opencl_device *device, lop_type word, bool wide, cl_program *out);

/* Programs that were built, in files of a folder: named by the SHA-256 of the text, the options and what makes the
 * binary (`made_by`); a file that is not whole is as good as none. */
#define OPENCL_KEY 65
LOP_CHECKED lop_status opencl_cache_key(const opencl_device *device, const char *options,
                                        char out[OPENCL_KEY]);
LOP_CHECKED lop_status opencl_cache_read(const opencl_device *device, const char *key, unsigned char **out,
                                         size_t *size); /* *out NULL: not there; the caller frees */
void opencl_cache_write(const opencl_device *device, const char *key,
                        cl_program program); /* as far as it can */

#endif
