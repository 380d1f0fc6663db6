/* A shared library of libraries.cpp: a codec that throws, and a call around a codec. */
#include "cxx/programs/libraries.hpp"

#define TEXT_OF(name) #name
#define FROM(name) "from " TEXT_OF(name)

immuta::codec LIBRARY::throwing() {
  const auto leave = [](immuta::bytes, immuta::sink &) { throw immuta::error(immuta::status::io, FROM(LIBRARY)); };
  return immuta::codec::custom(0x10000, "throwing", leave, leave).value();
}

std::string LIBRARY::outcome_of_append_in_library(immuta::log &log) { return outcome_of_append(log); }
