# The targets, defined once for the build in the tree and for the installed package:
#   immuta::shared   libimmuta.so
#   immuta::static   libimmuta.a with the system libraries it needs
#   immuta::immuta   one of them: static where BUILD_SHARED_LIBS is off, else shared, else what there is
#   immuta::cxx      immuta::immuta for C++17, whose interface is a header

# immuta_add_targets(
#   SONAME <name>               that programs ask the loader for
#   LIBRARY <name>              the file with that SONAME, with its full version
#   DIRECTORY <path>            where libraries are
#   [DEBUG_DIRECTORY <path>]    where those of the configuration Debug are
#   INCLUDE_DIRECTORY <path>
#   [GLOBAL])                   visible in the whole build, the libraries may be built later; else only libraries that
#                               exist get a target
function(immuta_add_targets)
  cmake_parse_arguments(PARSE_ARGV 0 arg "GLOBAL" "SONAME;LIBRARY;DIRECTORY;DEBUG_DIRECTORY;INCLUDE_DIRECTORY" "")
  if(arg_GLOBAL)
    set(global GLOBAL)
  else()
    set(global "")
  endif()

  set(plain "")
  # IMPORTED_LOCATION is the file itself, not a link to it, so that install(IMPORTED_RUNTIME_ARTIFACTS) copies it.
  foreach(kind IN ITEMS shared static)
    if("${kind}" STREQUAL "shared")
      set(file ${arg_LIBRARY})
    else()
      set(file libimmuta.a)
    endif()
    if(arg_GLOBAL OR EXISTS "${arg_DIRECTORY}/${file}")
      string(TOUPPER ${kind} type)
      add_library(immuta::${kind} ${type} IMPORTED ${global})
      set_target_properties(immuta::${kind} PROPERTIES
        IMPORTED_LOCATION "${arg_DIRECTORY}/${file}"
        INTERFACE_INCLUDE_DIRECTORIES "${arg_INCLUDE_DIRECTORY}")
      if(arg_DEBUG_DIRECTORY)
        set_target_properties(immuta::${kind} PROPERTIES IMPORTED_LOCATION_DEBUG "${arg_DEBUG_DIRECTORY}/${file}")
      endif()
    endif()
  endforeach()
  if(TARGET immuta::shared)
    set_target_properties(immuta::shared PROPERTIES IMPORTED_SONAME ${arg_SONAME})
    set(plain immuta::shared)
  endif()
  if(TARGET immuta::static)
    set_target_properties(immuta::static PROPERTIES INTERFACE_LINK_LIBRARIES "util;rt;pthread;m;dl")
    if(NOT TARGET immuta::shared OR (DEFINED BUILD_SHARED_LIBS AND NOT BUILD_SHARED_LIBS))
      set(plain immuta::static)
    endif()
  endif()

  if(plain)
    add_library(immuta::immuta INTERFACE IMPORTED ${global})
    set_target_properties(immuta::immuta PROPERTIES INTERFACE_LINK_LIBRARIES ${plain})
    add_library(immuta::cxx INTERFACE IMPORTED ${global})
    set_target_properties(immuta::cxx PROPERTIES
      INTERFACE_LINK_LIBRARIES immuta::immuta INTERFACE_COMPILE_FEATURES cxx_std_17)
  endif()
endfunction()
