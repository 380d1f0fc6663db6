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

# A .pc file below the prefix finds the prefix from where it lies, so that the installed tree may be moved.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
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
  if(CMAKE_INSTALL_DO_STRIP)
    execute_process(COMMAND \"${CMAKE_STRIP}\" \"\$ENV{DESTDIR}${installed_library}\" COMMAND_ERROR_IS_FATAL ANY)
  endif()" COMPONENT runtime)
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT runtime)

install(FILES "${IMMUTA_STAGE}/libimmuta.so" "${IMMUTA_STAGE}/libimmuta.a"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT dev)
install(DIRECTORY include/ DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT dev)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/immuta.pc" DESTINATION "${pkgconfig_directory}" COMPONENT dev)
install(FILES cmake/immutaTargets.cmake "${CMAKE_CURRENT_BINARY_DIR}/immutaConfig.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/immutaConfigVersion.cmake"
  DESTINATION "${config_directory}" COMPONENT dev)

install(FILES "${IMMUTA_STAGE}/.debug/${IMMUTA_LIBRARY}.debug" "${IMMUTA_STAGE}/.debug/libimmuta.a"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/.debug" COMPONENT debug EXCLUDE_FROM_ALL)
