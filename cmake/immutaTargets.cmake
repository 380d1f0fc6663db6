# The imported targets, defined once for the build in the tree and for the installed package:
#   immuta::shared   libimmuta.so
#   immuta::static   libimmuta.a with the system libraries it needs
#   immuta::immuta   one of them: static where BUILD_SHARED_LIBS is off, else shared, else what there is
# Needs Threads::Threads.

# immuta_add_targets(<library directory> <include directory> [GLOBAL])
#   GLOBAL: visible in the whole build, the libraries may be built later. Else only libraries that exist get a target.
function(immuta_add_targets library_directory include_directory)
  set(shared_file "${library_directory}/libimmuta.so")
  set(static_file "${library_directory}/libimmuta.a")

  if(ARGV2 STREQUAL GLOBAL OR EXISTS "${shared_file}")
    add_library(immuta::shared SHARED IMPORTED ${ARGV2})
    set_target_properties(immuta::shared PROPERTIES
      IMPORTED_LOCATION "${shared_file}"
      IMPORTED_SONAME "${IMMUTA_SONAME}"
      INTERFACE_INCLUDE_DIRECTORIES "${include_directory}")
    set(plain immuta::shared)
  endif()

  if(ARGV2 STREQUAL GLOBAL OR EXISTS "${static_file}")
    add_library(immuta::static STATIC IMPORTED ${ARGV2})
    set_target_properties(immuta::static PROPERTIES
      IMPORTED_LOCATION "${static_file}"
      INTERFACE_LINK_LIBRARIES "util;rt;Threads::Threads;m;${CMAKE_DL_LIBS}"
      INTERFACE_INCLUDE_DIRECTORIES "${include_directory}")
    if(NOT TARGET immuta::shared OR (DEFINED BUILD_SHARED_LIBS AND NOT BUILD_SHARED_LIBS))
      set(plain immuta::static)
    endif()
  endif()

  if(plain)
    add_library(immuta::immuta INTERFACE IMPORTED ${ARGV2})
    set_target_properties(immuta::immuta PROPERTIES INTERFACE_LINK_LIBRARIES ${plain})
  endif()
endfunction()
