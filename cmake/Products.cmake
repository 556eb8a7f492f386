# What is installed: liblop with its header, its pkg-config and CMake descriptions, and the program. Each is built as soon
# as its sources are in the tree.
include(GNUInstallDirs)

# An installed library keeps finding the single-threaded CBLAS it was linked with, not whichever the system prefers.
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)

get_property(rooms GLOBAL PROPERTY LOP_ROOMS)

# The library is the objects of every room, so that no public function is left in an archive because nothing calls it;
# linking the rooms as well brings what they link. What lop.h marks LOP_API is visible outside, nothing else.
if(lop_lop IN_LIST rooms)
  list(TRANSFORM rooms REPLACE "(.+)" "$<TARGET_OBJECTS:\\1>" OUTPUT_VARIABLE objects)
  add_library(liblop SHARED include/lop.h ${objects})
  set_target_properties(liblop PROPERTIES
    OUTPUT_NAME lop EXPORT_NAME lop PREFIX lib VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
  target_include_directories(liblop INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(liblop PRIVATE lop_lop)
  if(NOT LOP_SANITIZE)
    target_link_options(liblop PRIVATE LINKER:--no-undefined)
  endif()
  add_library(lop::lop ALIAS liblop)

  configure_file(cmake/lop.pc.in lop.pc @ONLY)
  include(CMakePackageConfigHelpers)
  write_basic_package_version_file(lopConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/lop)
  install(TARGETS liblop EXPORT lop)
  install(EXPORT lop FILE lopConfig.cmake NAMESPACE lop:: DESTINATION ${package_dir})
  install(FILES ${PROJECT_BINARY_DIR}/lopConfigVersion.cmake DESTINATION ${package_dir})
  install(FILES ${PROJECT_BINARY_DIR}/lop.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  install(FILES include/lop.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
endif()

# The program links the rooms, not liblop: its benches time what the public header does not show.
file(GLOB program_sources CONFIGURE_DEPENDS cli/*.c bench/*.c)
if(TARGET liblop AND EXISTS ${PROJECT_SOURCE_DIR}/cli/main.c)
  add_executable(lop ${program_sources})
  target_compile_definitions(lop PRIVATE _GNU_SOURCE)
  target_link_libraries(lop PRIVATE lop_warnings lop_lop)
  # A result says what it was measured with.
  execute_process(COMMAND git rev-parse --short=12 HEAD WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
                  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT commit)
    set(commit unknown)
  endif()
  string(TOUPPER "${CMAKE_BUILD_TYPE}" type)
  set(build "${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION} ${CMAKE_C_FLAGS_${type}}")
  set_source_files_properties(bench/line.c PROPERTIES
    COMPILE_DEFINITIONS "LOP_BENCH_COMMIT=\"${commit}\";LOP_BENCH_BUILD=\"${build}\"")
  install(TARGETS lop)
endif()
