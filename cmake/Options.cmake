# The seven options, and what this machine can build of them.
include(CheckLanguage)
include(CTest)
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(OpenMP COMPONENTS C)
pkg_check_modules(jansson REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(pcre2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)

option(LOP_OPENCL "OpenCL backend" OFF)
option(LOP_CUDA "CUDA backend" OFF)
option(LOP_MPI "ranks over MPI" OFF)
option(LOP_NCCL "ranks over NCCL" OFF)
option(LOP_WERROR "warnings are errors" OFF)
option(LOP_FUZZ "fuzz targets (clang)" OFF)
set(LOP_SANITIZE "" CACHE STRING "sanitizers, as for -fsanitize=")

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# A CBLAS that several threads may call at once: the CPU backend brings its own threads and asks for one per call. Debian's
# serial OpenBLAS is not that (its buffers are taken without a lock, and products come out wrong); the pthread build is.
find_path(LOP_CBLAS_INCLUDE cblas.h PATH_SUFFIXES x86_64-linux-gnu/openblas-pthread openblas-pthread openblas
          x86_64-linux-gnu REQUIRED)
find_library(LOP_CBLAS_LIB openblas PATH_SUFFIXES openblas-pthread REQUIRED)
set(LOP_CPU_LIBS ${LOP_CBLAS_LIB} Threads::Threads m)
if(OpenMP_C_FOUND)
  list(APPEND LOP_CPU_LIBS OpenMP::OpenMP_C)
endif()
