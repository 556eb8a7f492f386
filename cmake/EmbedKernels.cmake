# The text of the kernels as a C file, so that the library carries it. Run as a script:
#   cmake -DROOT=... -DOUT=... -P EmbedKernels.cmake
# The dialect's header and the instances, every #include resolved; the dialects of other languages are left out.
cmake_minimum_required(VERSION 3.25)
set(others kernels/dialect_c11.h kernels/dialect_cuda.h)
set(text "#include \"kernels/dialect.h\"\n#include \"kernels/instance.h\"\n")
while(text MATCHES "#include \"(kernels/[a-z0-9_.]+)\"\n")
  set(line "${CMAKE_MATCH_0}")
  set(piece "")
  if(NOT CMAKE_MATCH_1 IN_LIST others)
    file(READ ${ROOT}/${CMAKE_MATCH_1} piece)
  endif()
  string(REPLACE "${line}" "${piece}" text "${text}")
endwhile()
string(REPLACE "\\" "\\\\" text "${text}")
string(REPLACE "\"" "\\\"" text "${text}")
string(REPLACE "\n" "\\n\",\n    \"" text "${text}")
file(WRITE ${OUT} "/* opencl_text.c - the kernels' text, line by line; made from kernels/ when the library is built. */
#include \"backends/opencl/opencl_program.h\"

static const char *const lines[] = {
    \"${text}\",
};
const opencl_text opencl_kernels = {lines, sizeof lines / sizeof lines[0]};
")
