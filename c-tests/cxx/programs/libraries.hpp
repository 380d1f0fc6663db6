/* The two shared libraries of libraries.cpp. Both are made of library.cpp, with LIBRARY as `one` or `two`. */
#ifndef IMMUTA_CXX_LIBRARIES_HPP
#define IMMUTA_CXX_LIBRARIES_HPP

#include <immuta.hpp>

#include <string>

/* The message of the immuta::error that leaves an append, or the name of its status. Each side has its own code. */
inline std::string outcome_of_append(immuta::log &log) {
  try {
    return immuta::status_name(log.append(0, "payload").code());
  } catch (const immuta::error &thrown) {
    return thrown.message();
  }
}

#define IMMUTA_CXX_LIBRARY(name)                                                             \
  namespace name {                                                                           \
  /* A codec that throws "from one" or "from two". */                                        \
  [[gnu::visibility("default")]] immuta::codec throwing();                                   \
  [[gnu::visibility("default")]] std::string outcome_of_append_in_library(immuta::log &log); \
  }

IMMUTA_CXX_LIBRARY(one)
IMMUTA_CXX_LIBRARY(two)

#endif
