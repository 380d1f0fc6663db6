/* What settings_off.cpp, which is compiled without exceptions, offers to settings.cpp: C types only. */
#ifndef IMMUTA_CXX_SETTINGS_OFF_HPP
#define IMMUTA_CXX_SETTINGS_OFF_HPP

#include <immuta.h>

namespace off {

void value_of_an_error(const char *directory);
int appends_and_reads(const char *directory);
immuta_status status_of_append(immuta_log *log);

}  // namespace off

#endif
