# Compiles the library with cargo and stages it under the names it is installed with:
#   libimmuta.so -> libimmuta.so.ABI -> libimmuta.so.VERSION, and libimmuta.a
# Sets IMMUTA_STAGE_DIR, IMMUTA_SONAME, and the target immuta_cargo.
find_program(IMMUTA_CARGO cargo HINTS "$ENV{HOME}/.cargo/bin" REQUIRED)

# The same rule as in build.rs.
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(IMMUTA_SONAME libimmuta.so.0.${PROJECT_VERSION_MINOR})
else()
  set(IMMUTA_SONAME libimmuta.so.${PROJECT_VERSION_MAJOR})
endif()

set(cargo_arguments --locked ${IMMUTA_CARGO_FLAGS})
if(CMAKE_BUILD_TYPE STREQUAL Debug)
  set(cargo_profile debug)
else()
  set(cargo_profile release)
  list(APPEND cargo_arguments --release)
endif()

# The directory is passed to cargo, so that no configuration file of cargo's puts the result elsewhere.
set(cargo_directory "${CMAKE_CURRENT_BINARY_DIR}/cargo")
if(DEFINED ENV{CARGO_TARGET_DIR})
  get_filename_component(cargo_directory "$ENV{CARGO_TARGET_DIR}" ABSOLUTE)
endif()
list(APPEND cargo_arguments --target-dir "${cargo_directory}")
if(IMMUTA_CARGO_TARGET)
  list(APPEND cargo_arguments --target ${IMMUTA_CARGO_TARGET})
  string(APPEND cargo_directory "/${IMMUTA_CARGO_TARGET}")
endif()
set(built "${cargo_directory}/${cargo_profile}")

set(IMMUTA_STAGE_DIR "${CMAKE_CURRENT_BINARY_DIR}/stage")
set(real_name libimmuta.so.${PROJECT_VERSION})

# Cargo knows best what is out of date: it runs every time, and copies only what changed.
add_custom_target(immuta_cargo ALL
  COMMAND ${IMMUTA_CARGO} build --package immuta --lib ${cargo_arguments}
  COMMAND ${CMAKE_COMMAND} -E make_directory "${IMMUTA_STAGE_DIR}"
  COMMAND ${CMAKE_COMMAND} -E copy_if_different "${built}/libimmuta.so" "${IMMUTA_STAGE_DIR}/${real_name}"
  COMMAND ${CMAKE_COMMAND} -E copy_if_different "${built}/libimmuta.a" "${IMMUTA_STAGE_DIR}/libimmuta.a"
  COMMAND ${CMAKE_COMMAND} -E create_symlink ${real_name} "${IMMUTA_STAGE_DIR}/${IMMUTA_SONAME}"
  COMMAND ${CMAKE_COMMAND} -E create_symlink ${IMMUTA_SONAME} "${IMMUTA_STAGE_DIR}/libimmuta.so"
  BYPRODUCTS "${IMMUTA_STAGE_DIR}/${real_name}" "${IMMUTA_STAGE_DIR}/${IMMUTA_SONAME}"
             "${IMMUTA_STAGE_DIR}/libimmuta.so" "${IMMUTA_STAGE_DIR}/libimmuta.a"
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}/.."
  COMMENT "cargo build (${cargo_profile})"
  USES_TERMINAL VERBATIM)
