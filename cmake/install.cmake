# What is installed, and where. Components: runtime (what a program needs to run) and dev (what it needs to be built).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(config_directory "${CMAKE_INSTALL_LIBDIR}/cmake/immuta")
set(pkgconfig_directory "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  message(FATAL_ERROR "CMAKE_INSTALL_LIBDIR and CMAKE_INSTALL_INCLUDEDIR must be relative to the prefix")
endif()

configure_package_config_file(immutaConfig.cmake.in "${CMAKE_CURRENT_BINARY_DIR}/immutaConfig.cmake"
  INSTALL_DESTINATION "${config_directory}" PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/immutaConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
string(REGEX REPLACE "[^/]+" ".." prefix_from_pkgconfig "${pkgconfig_directory}")
configure_file(immuta.pc.in immuta.pc @ONLY)

install(PROGRAMS "${IMMUTA_STAGE_DIR}/libimmuta.so.${PROJECT_VERSION}" "${IMMUTA_STAGE_DIR}/${IMMUTA_SONAME}"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT runtime)
install(FILES ../LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT runtime)
install(FILES "${IMMUTA_STAGE_DIR}/libimmuta.so" "${IMMUTA_STAGE_DIR}/libimmuta.a"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT dev)
install(FILES ../include/immuta.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT dev)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/immuta.pc" DESTINATION "${pkgconfig_directory}" COMPONENT dev)
install(FILES immutaTargets.cmake "${CMAKE_CURRENT_BINARY_DIR}/immutaConfig.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/immutaConfigVersion.cmake"
  DESTINATION "${config_directory}" COMPONENT dev)
