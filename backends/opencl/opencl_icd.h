/* opencl_icd.h - drivers that are registered with the ICD loader and that it could not use: the loader itself says nothing
 * of them. */
#ifndef LOP_BACKENDS_OPENCL_ICD_H
#define LOP_BACKENDS_OPENCL_ICD_H

#include "core/base/text.h"

/* Adds a sentence for each, parted by "; ". Call it after the loader was asked for platforms. Errors: LOP_E_MEMORY; what
 * cannot be read is passed over. */
LOP_CHECKED lop_status opencl_icd_broken(lop_string *out);

/* The folder of registered drivers. */
const char *opencl_icd_folder(void);

#endif
