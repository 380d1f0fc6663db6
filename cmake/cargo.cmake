# Has packaging/library.py build the library, into IMMUTA_RELEASE_DIR or IMMUTA_DEBUG_DIR, under the names it is
# installed with: libimmuta.so -> IMMUTA_SONAME -> IMMUTA_LIBRARY, and libimmuta.a; and the licences of what is in them,
# if libimmuta is installed. The target is immuta_cargo. What is in IMMUTA_PREBUILT was built by that program before.

# The same rule as in build.rs.
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(IMMUTA_SONAME libimmuta.so.0.${PROJECT_VERSION_MINOR})
else()
  set(IMMUTA_SONAME libimmuta.so.${PROJECT_VERSION_MAJOR})
endif()
set(IMMUTA_LIBRARY libimmuta.so.${PROJECT_VERSION})
set(IMMUTA_RELEASE_DIR "${CMAKE_CURRENT_BINARY_DIR}/stage/release")
set(IMMUTA_DEBUG_DIR "${CMAKE_CURRENT_BINARY_DIR}/stage/debug")
if(IMMUTA_PREBUILT)
  get_filename_component(IMMUTA_RELEASE_DIR "${IMMUTA_PREBUILT}" ABSOLUTE)
  set(IMMUTA_DEBUG_DIR "${IMMUTA_RELEASE_DIR}")
endif()
# Not $<IF>, whose parts end at a comma: a directory may have one.
set(IMMUTA_STAGE "$<$<CONFIG:Debug>:${IMMUTA_DEBUG_DIR}>$<$<NOT:$<CONFIG:Debug>>:${IMMUTA_RELEASE_DIR}>")

# Programs of this machine, not of the root directory of a target.
find_program(IMMUTA_CARGO cargo PATHS "$ENV{HOME}/.cargo/bin" NO_CMAKE_FIND_ROOT_PATH)
find_program(IMMUTA_PYTHON python3 NO_CMAKE_FIND_ROOT_PATH)
if(NOT IMMUTA_PYTHON)
  message(FATAL_ERROR "libimmuta is built and packed by Python programs, and python3 was not found. Install Python 3, "
    "or set -DIMMUTA_PYTHON=/path/to/python3.")
endif()
execute_process(COMMAND "${IMMUTA_PYTHON}" -c "import sys; sys.exit(sys.version_info < (3, 9))"
  RESULT_VARIABLE python_is_old OUTPUT_QUIET ERROR_QUIET)
if(python_is_old)
  message(FATAL_ERROR "libimmuta is built by programs for Python 3.9 or later, and ${IMMUTA_PYTHON} is older, or does "
    "not run. Install a later one, or set -DIMMUTA_PYTHON=/path/to/python3.")
endif()
if(IMMUTA_PREBUILT)
  if(NOT EXISTS "${IMMUTA_RELEASE_DIR}/${IMMUTA_LIBRARY}")
    message(FATAL_ERROR "libimmuta: IMMUTA_PREBUILT is ${IMMUTA_PREBUILT}, where there is no ${IMMUTA_LIBRARY}. "
      "Set it to a directory that packaging/library.py or packaging/cross.py of this version has filled.")
  endif()
  if(IMMUTA_INSTALL AND NOT EXISTS "${IMMUTA_RELEASE_DIR}/THIRD-PARTY-LICENSES")
    message(FATAL_ERROR "libimmuta: IMMUTA_PREBUILT is ${IMMUTA_PREBUILT}, where there is no THIRD-PARTY-LICENSES to "
      "install. Fill the directory with packaging/library.py --licences, or with packaging/cross.py.")
  endif()
  execute_process(COMMAND "${IMMUTA_PYTHON}" -c
      "import binutils, pathlib, sys; print(binutils.machine_of(pathlib.Path(sys.argv[1])))"
      "${IMMUTA_RELEASE_DIR}/${IMMUTA_LIBRARY}"
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}/packaging" OUTPUT_VARIABLE machine
    OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX REPLACE "^ppc" "powerpc" here "${CMAKE_SYSTEM_PROCESSOR}")
  if(NOT IMMUTA_CARGO_TARGET AND NOT "${machine}" STREQUAL "${here}")
    message(FATAL_ERROR "libimmuta: what is in ${IMMUTA_PREBUILT} is for ${machine}, and this build is for "
      "${CMAKE_SYSTEM_PROCESSOR}. Set Rust's name of its target, for example "
      "-DIMMUTA_CARGO_TARGET=${machine}-unknown-linux-gnu.")
  endif()
  add_custom_target(immuta_cargo)
  return()
endif()
if(NOT IMMUTA_CARGO)
  message(FATAL_ERROR "libimmuta is compiled by cargo, which was not found. Install Rust (https://rustup.rs), or set "
    "-DIMMUTA_CARGO=/path/to/cargo.")
endif()
if(CMAKE_CROSSCOMPILING AND NOT IMMUTA_CARGO_TARGET)
  message(FATAL_ERROR "libimmuta: this build is for ${CMAKE_SYSTEM_NAME} on ${CMAKE_SYSTEM_PROCESSOR}, but without a "
    "target cargo compiles for this machine. Set Rust's name of that target, for example "
    "-DIMMUTA_CARGO_TARGET=aarch64-unknown-linux-gnu, and install its standard library: "
    "rustup target add aarch64-unknown-linux-gnu. `rustc --print target-list` lists all targets.")
endif()

set(cargo_directory "${CMAKE_CURRENT_BINARY_DIR}/cargo")
if(DEFINED ENV{CARGO_TARGET_DIR})
  get_filename_component(cargo_directory "$ENV{CARGO_TARGET_DIR}" ABSOLUTE)
endif()
# A compiler that is called by a wrapper, such as ccache, is the wrapper's first argument.
set(compiler "${CMAKE_C_COMPILER}${CMAKE_C_COMPILER_ARG1}")
set(arguments --target-dir "${cargo_directory}" $<$<CONFIG:Debug>:--debug> $<$<BOOL:${IMMUTA_INSTALL}>:--licences>)
set(c_flags "${CMAKE_C_FLAGS}")
set(compiler_options "")
if(CMAKE_SYSROOT)
  list(APPEND compiler_options "--sysroot=${CMAKE_SYSROOT}")
endif()
if(CMAKE_C_COMPILER_TARGET AND CMAKE_C_COMPILER_ID MATCHES "Clang")
  list(APPEND compiler_options "--target=${CMAKE_C_COMPILER_TARGET}")
endif()
foreach(option IN LISTS compiler_options)
  string(APPEND c_flags " ${option}")
  list(APPEND arguments "--link-arg=${option}")
endforeach()
set(environment "CARGO=${IMMUTA_CARGO}" "CC=${compiler}" "CFLAGS=${c_flags}")
separate_arguments(cargo_flags UNIX_COMMAND "${IMMUTA_CARGO_FLAGS}")
if(IMMUTA_CARGO_TARGET)
  list(APPEND environment "AR=${CMAKE_AR}")
  list(APPEND arguments --target ${IMMUTA_CARGO_TARGET})
endif()
if(NOT IMMUTA_BINUTILS AND CMAKE_OBJCOPY MATCHES "^(.*)objcopy$")
  list(APPEND arguments --binutils "${CMAKE_MATCH_1}")
elseif(IMMUTA_BINUTILS)
  list(APPEND arguments --binutils "${IMMUTA_BINUTILS}")
endif()

# Cargo knows best what is out of date: it runs every time, and the files are made again only when its own changed.
add_custom_target(immuta_cargo ALL
  COMMAND ${CMAKE_COMMAND} -E env ${environment}
          "${IMMUTA_PYTHON}" "${CMAKE_CURRENT_SOURCE_DIR}/packaging/library.py" ${arguments} "${IMMUTA_STAGE}"
          -- ${cargo_flags}
  BYPRODUCTS "${IMMUTA_STAGE}/${IMMUTA_LIBRARY}" "${IMMUTA_STAGE}/${IMMUTA_SONAME}" "${IMMUTA_STAGE}/libimmuta.so"
             "${IMMUTA_STAGE}/libimmuta.a"
  COMMENT "Building libimmuta with cargo"
  USES_TERMINAL VERBATIM COMMAND_EXPAND_LISTS)
