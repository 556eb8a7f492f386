# One set of warnings for everything that is ours; errors only where a preset says so.
add_library(lop_warnings INTERFACE)
target_compile_options(lop_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef
  -Wdouble-promotion)
if(LOP_WERROR)
  target_compile_options(lop_warnings INTERFACE -Werror)
endif()
if(LOP_SANITIZE)
  add_compile_options(-fsanitize=${LOP_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=${LOP_SANITIZE})
endif()
