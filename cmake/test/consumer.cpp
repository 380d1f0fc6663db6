// The program of consumer.c, compiled as C++17, which immuta::cxx asks for.
static_assert(__cplusplus >= 201703L);

#include "consumer.c"
