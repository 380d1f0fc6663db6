# What is installed, and where. Components:
#   runtime   what a program needs to run
#   dev       what it needs to be built
#   debug     the debug information of both libraries, in LIBDIR/.debug; only when it is asked for by its name
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(config_directory "${CMAKE_INSTALL_LIBDIR}/cmake/immuta")
set(pkgconfig_directory "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

configure_package_config_file(cmake/immutaConfig.cmake.in "${CMAKE_CURRENT_BINARY_DIR}/immutaConfig.cmake"
  INSTALL_DESTINATION "${config_directory}" PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/immutaConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)

# A .pc file below the prefix finds the prefix from where it lies, so that the installed tree may be moved. One in /usr
# stays there: pkg-config leaves out -I/usr/include and -L/usr/lib if they are written like that.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR CMAKE_INSTALL_PREFIX STREQUAL "/usr")
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
configure_file(cmake/immuta.pc.in immuta.pc @ONLY)

install(PROGRAMS "${IMMUTA_STAGE}/${IMMUTA_LIBRARY}" "${IMMUTA_STAGE}/${IMMUTA_SONAME}"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT runtime)
# `cmake --install --strip` strips only what CMake itself has linked.
set(installed_library "${CMAKE_INSTALL_LIBDIR}/${IMMUTA_LIBRARY}")
if(NOT IS_ABSOLUTE "${installed_library}")
  string(PREPEND installed_library "\${CMAKE_INSTALL_PREFIX}/")
endif()
install(CODE "
  if(CMAKE_INSTALL_DO_STRIP AND NOT \"${CMAKE_STRIP}\" STREQUAL \"\")
    execute_process(COMMAND \"${CMAKE_STRIP}\" \"\$ENV{DESTDIR}${installed_library}\" COMMAND_ERROR_IS_FATAL ANY)
  endif()" COMPONENT runtime)
# CMAKE_INSTALL_DOCDIR belongs to the top project.
set(doc_directory "${CMAKE_INSTALL_DOCDIR}")
if(NOT PROJECT_IS_TOP_LEVEL)
  set(doc_directory "${CMAKE_INSTALL_DATAROOTDIR}/doc/immuta")
endif()
install(FILES LICENSE DESTINATION "${doc_directory}" COMPONENT runtime)

install(FILES "${IMMUTA_STAGE}/libimmuta.so" "${IMMUTA_STAGE}/libimmuta.a"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT dev)
install(DIRECTORY include/ DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT dev)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/immuta.pc" DESTINATION "${pkgconfig_directory}" COMPONENT dev)
install(FILES cmake/immutaTargets.cmake "${CMAKE_CURRENT_BINARY_DIR}/immutaConfig.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/immutaConfigVersion.cmake"
  DESTINATION "${config_directory}" COMPONENT dev)

install(FILES "${IMMUTA_STAGE}/.debug/${IMMUTA_LIBRARY}.debug" "${IMMUTA_STAGE}/.debug/libimmuta.a"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/.debug" COMPONENT debug EXCLUDE_FROM_ALL)
