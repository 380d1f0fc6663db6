/* The C++ interface, immuta.hpp: its cases are in cxx/, a file for each topic. */
#include "cxx/functions.hpp"
#include "cxx/logs.hpp"
#include "cxx/misuse.hpp"
#include "cxx/streams.hpp"
#include "cxx/threads.hpp"
#include "cxx/upkeep.hpp"
#include "cxx/values.hpp"

int main() { return check::run_all(); }
