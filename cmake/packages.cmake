# What cpack packs:
#
#   cpack -G TGZ   one archive of the components immuta_runtime and immuta_dev, which may be unpacked anywhere
#   cpack -G DEB   libimmuta0.2, libimmuta-dev and libimmuta0.2-dbgsym, where Debian has such files. They are the
#                  components debian_runtime, debian_dev and debian_debug
#
# cpack runs packages.cpack.cmake.in, which describes the packages. packaging/debian.py makes the files that only Debian
# has.
# Where cpack makes the files that only packages have.
set(IMMUTA_PACKAGES_DIR "${CMAKE_CURRENT_BINARY_DIR}/packages")
set(IMMUTA_MAINTAINER "libimmuta authors <libimmuta@example.org>" CACHE STRING
  "Who answers for the packages that cpack makes: NAME <ADDRESS>")

string(REGEX MATCH "^[^-]+" processor "${IMMUTA_CARGO_TARGET}")
if(NOT processor)
  set(processor "${CMAKE_SYSTEM_PROCESSOR}")
endif()
set(debian_of_x86_64 amd64)
set(debian_of_aarch64 arm64)
set(architecture "${debian_of_${processor}}")
string(REPLACE ".so." "" debian_runtime "${IMMUTA_SONAME}")

# A function, so that what it sets does not replace what the user has set.
function(immuta_install_for_debian)
  set(CMAKE_INSTALL_PREFIX /usr)
  set(CMAKE_INSTALL_LIBDIR lib/${processor}-linux-gnu)
  set(CMAKE_INSTALL_INCLUDEDIR include)
  set(CMAKE_INSTALL_SO_NO_EXE ON)
  immuta_install(debian_runtime debian_dev PREFIX /usr EXCLUDE_FROM_ALL)
  foreach(component IN ITEMS debian_runtime debian_dev debian_debug)
    install(DIRECTORY "${IMMUTA_PACKAGES_DIR}/${component}/" DESTINATION . COMPONENT ${component} EXCLUDE_FROM_ALL)
  endforeach()
endfunction()
immuta_install_for_debian()

configure_file(cmake/packages.cpack.cmake.in packages.cpack.cmake @ONLY)
set(CPACK_PROJECT_CONFIG_FILE "${CMAKE_CURRENT_BINARY_DIR}/packages.cpack.cmake")
set(CPACK_GENERATOR TGZ DEB)
set(CPACK_PACKAGE_NAME libimmuta)
set(CPACK_PACKAGE_VENDOR "libimmuta authors")
set(CPACK_PACKAGE_FILE_NAME libimmuta-${PROJECT_VERSION}-${processor}-linux-gnu)
# Directories have these permissions whatever the umask is.
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
# cpack would install files with an absolute destination into this system, and not pack them.
set(CPACK_ERROR_ON_ABSOLUTE_INSTALL_DESTINATION ON)
include(CPack)
