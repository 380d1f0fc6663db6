# What is installed, and where. The components have names that no component of a parent project has:
#   immuta_runtime   what a program needs to run, and the licences
#   immuta_dev       what it needs to be built, and the manual pages
#   immuta_debug     the debug information of both libraries, in LIBDIR/.debug; only when it is asked for by its name
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# immuta_install(<runtime> <dev>        the components
#   [PREFIX <path>]                     that the .pc file names; else it finds the prefix, so that the tree may be moved
#   [EXCLUDE_FROM_ALL])
#
# Installs the libraries, the headers, and what build systems find them by, into CMAKE_INSTALL_LIBDIR and
# CMAKE_INSTALL_INCLUDEDIR.
function(immuta_install runtime dev)
  cmake_parse_arguments(PARSE_ARGV 2 arg "EXCLUDE_FROM_ALL" "PREFIX" "")
  set(for_runtime COMPONENT ${runtime})
  set(for_dev COMPONENT ${dev})
  if(arg_EXCLUDE_FROM_ALL)
    list(APPEND for_runtime EXCLUDE_FROM_ALL)
    list(APPEND for_dev EXCLUDE_FROM_ALL)
  endif()
  set(config_directory "${CMAKE_INSTALL_LIBDIR}/cmake/immuta")
  set(pkgconfig_directory "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
  set(made "${CMAKE_CURRENT_BINARY_DIR}/${dev}")

  configure_package_config_file(cmake/immutaConfig.cmake.in "${made}/immutaConfig.cmake"
    INSTALL_DESTINATION "${config_directory}" PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
  write_basic_package_version_file("${made}/immutaConfigVersion.cmake" COMPATIBILITY SameMinorVersion)

  if(arg_PREFIX)
    set(pc_prefix "${arg_PREFIX}")
  elseif(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR CMAKE_INSTALL_PREFIX STREQUAL "/usr")
    # A tree in /usr stays there. pkg-config leaves out -I/usr/include and -L/usr/lib, but only if they are written so.
    set(pc_prefix "${CMAKE_INSTALL_PREFIX}")
  else()
    string(REGEX REPLACE "[^/]+" ".." prefix_from_pkgconfig "${pkgconfig_directory}")
    set(pc_prefix "\${pcfiledir}/${prefix_from_pkgconfig}")
  endif()
  foreach(name IN ITEMS libdir includedir)
    string(TOUPPER "CMAKE_INSTALL_${name}" variable)
    if(IS_ABSOLUTE "${${variable}}")
      set(pc_${name} "${${variable}}")
    else()
      set(pc_${name} "\${prefix}/${${variable}}")
    endif()
  endforeach()
  configure_file(cmake/immuta.pc.in "${made}/immuta.pc" @ONLY)

  # CMake's own rule for shared libraries: it is set on Debian, which wants them not executable.
  if(CMAKE_INSTALL_SO_NO_EXE)
    set(as FILES)
  else()
    set(as PROGRAMS)
  endif()
  install(${as} "${IMMUTA_STAGE}/${IMMUTA_LIBRARY}" "${IMMUTA_STAGE}/${IMMUTA_SONAME}"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}" ${for_runtime})
  # `cmake --install --strip` strips only what CMake itself has linked.
  set(installed_library "${CMAKE_INSTALL_LIBDIR}/${IMMUTA_LIBRARY}")
  if(NOT IS_ABSOLUTE "${installed_library}")
    string(PREPEND installed_library "\${CMAKE_INSTALL_PREFIX}/")
  endif()
  install(CODE "
    if(CMAKE_INSTALL_DO_STRIP AND NOT \"${CMAKE_STRIP}\" STREQUAL \"\")
      execute_process(COMMAND \"${CMAKE_STRIP}\" \"\$ENV{DESTDIR}${installed_library}\" COMMAND_ERROR_IS_FATAL ANY)
    endif()" ${for_runtime})

  install(FILES "${IMMUTA_STAGE}/libimmuta.so" "${IMMUTA_STAGE}/libimmuta.a"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}" ${for_dev})
  install(DIRECTORY include/ DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" ${for_dev})
  install(FILES "${made}/immuta.pc" DESTINATION "${pkgconfig_directory}" ${for_dev})
  install(FILES cmake/immutaTargets.cmake "${made}/immutaConfig.cmake" "${made}/immutaConfigVersion.cmake"
    DESTINATION "${config_directory}" ${for_dev})
endfunction()

immuta_install(immuta_runtime immuta_dev)
# CMAKE_INSTALL_DOCDIR belongs to the top project.
set(doc_directory "${CMAKE_INSTALL_DOCDIR}")
if(NOT PROJECT_IS_TOP_LEVEL)
  set(doc_directory "${CMAKE_INSTALL_DATAROOTDIR}/doc/immuta")
endif()
install(FILES LICENSE "${IMMUTA_STAGE}/THIRD-PARTY-LICENSES" DESTINATION "${doc_directory}" COMPONENT immuta_runtime)
file(GLOB manual_pages CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/man/*.3")
install(FILES ${manual_pages} DESTINATION "${CMAKE_INSTALL_MANDIR}/man3" COMPONENT immuta_dev)

install(FILES "${IMMUTA_STAGE}/.debug/${IMMUTA_LIBRARY}.debug" "${IMMUTA_STAGE}/.debug/libimmuta.a"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/.debug" COMPONENT immuta_debug EXCLUDE_FROM_ALL)
