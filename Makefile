# The front door. packaging/library.py has cargo build the library, CMakeLists.txt installs it; this only names the
# common commands.
#
#   make run     build the library and examples-c/quickstart.c, and run it on DIRECTORY (./log-data)
#   make test    every test (tests/run --help for a selection; TEST_FLAGS are passed on)
#   make bench   libimmuta beside bare C loops that do the same work (QUICK=1: a short form; BENCH_FLAGS=--help)
#   make pair    two builds of the library beside each other (FIRST=before.so SECOND=after.so BYTES=100)
#   make curves  how its figures change with the work (QUICK=1, BENCH_FLAGS)
#   make pictures  docs/speed.svg and docs/curves.svg, from what bench, curves and the benchmark of peers found last
#   make peers   libimmuta beside the Go original and other logs (QUICK=1; PEERS_FLAGS are passed on)
#   make reference  the reference of the headers as HTML, build/reference/html/index.html, by doxygen
#   make cross   libraries for TARGET (aarch64-unknown-linux-gnu), to run with glibc 2.28 or later
#   make dist    the files of a release, with checksums, in build/dist: sources, archives, Debian packages
#   make install    (PREFIX=/usr/local DESTDIR= CMAKE_FLAGS=); make uninstall removes what was installed last
#   make tools   install what the tests want beyond Rust, a C compiler and Python (Debian, Ubuntu)
#   make clean   remove what these commands made, except logs

DIRECTORY ?= ./log-data
TEST_FLAGS ?=
PEERS_FLAGS ?=
TARGET ?= aarch64-unknown-linux-gnu
CFLAGS ?= -O2
PREFIX ?= /usr/local
CMAKE_FLAGS ?=
# On every system the same directory, unless PREFIX is /usr or CMAKE_FLAGS names another one.
ifeq ($(or $(filter /usr,$(PREFIX)),$(findstring CMAKE_INSTALL_LIBDIR,$(CMAKE_FLAGS))),)
INSTALL_LIBDIR := -DCMAKE_INSTALL_LIBDIR=lib
endif
CXXFLAGS ?= -O2
EVERY_WARNING := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror
WARNINGS := -std=c11 $(EVERY_WARNING) -Wstrict-prototypes

# One word of the shell, whatever is in it: $(abspath) and unquoted words end at a space.
quote = '$(subst ','\'',$1)'
TARGET_DIR := $(shell realpath --canonicalize-missing -- $(call quote,$(or $(CARGO_TARGET_DIR),target)))
LIB_DIR := $(TARGET_DIR)/stage
BENCH := $(TARGET_DIR)/optimised/immuta-bench
BUILD := build/make
LINK := -Iinclude -L$(call quote,$(LIB_DIR)) -limmuta -Xlinker -rpath -Xlinker $(call quote,$(LIB_DIR))
EXAMPLES := $(patsubst examples-c/%.c,$(BUILD)/%,$(wildcard examples-c/*.c))
# Those in C++ need a compiler for it, which is not needed for anything else.
ifneq ($(shell command -v $(CXX) 2>/dev/null),)
EXAMPLES += $(patsubst examples-c/%.cpp,$(BUILD)/%-cpp,$(wildcard examples-c/*.cpp))
endif

.PHONY: run test install uninstall bench curves pair pictures peers reference cross dist tools clean lib examples \
	print-lib-dir print-examples-dir

run: $(BUILD)/quickstart
	@$(BUILD)/quickstart $(call quote,$(DIRECTORY))

install:
	@CARGO_TARGET_DIR=$(call quote,$(TARGET_DIR)) cmake -S . -B $(BUILD)/install -DCMAKE_BUILD_TYPE=Release \
		-DCMAKE_INSTALL_PREFIX=$(call quote,$(PREFIX)) -DIMMUTA_BUILD_EXAMPLES=OFF $(INSTALL_LIBDIR) \
		$(CMAKE_FLAGS)
	@cmake --build $(BUILD)/install
	@cmake --install $(BUILD)/install

uninstall:
	@sed "s|^|$$DESTDIR|" $(BUILD)/install/install_manifest.txt | tr '\n' '\0' | xargs -0 rm -f

test:
	@tests/run $(TEST_FLAGS)

bench curves: lib
	@cargo build --locked --profile optimised --package immuta-bench
	@$(call quote,$(BENCH)) $(if $(QUICK),--quick) $(if $(filter curves,$@),--curves) $(BENCH_FLAGS) $(BUILD)

pictures:
	@python3 benches/plot.py docs $(wildcard $(BUILD)/results.json $(BUILD)/curves.json build/peers/results.json)

# Two builds of the library beside each other: FIRST and SECOND are paths of libimmuta.so.
pair:
	@mkdir -p $(BUILD)/pair-data
	@$(CC) $(WARNINGS) -O2 benches/pair.c benches/contenders/common.c -Iinclude -Ibenches/contenders -pthread -ldl \
		-o $(BUILD)/pair
	@$(BUILD)/pair $(call quote,$(FIRST)) $(call quote,$(SECOND)) $(or $(BYTES),100) $(or $(TURNS),2000) $(BUILD)/pair-data
	@rm -r $(BUILD)/pair-data

peers:
	@benches/peers/run $(if $(QUICK),--quick) $(PEERS_FLAGS)

reference:
	@python3 docs/reference/doxygen.py build/reference

cross:
	@packaging/cross.py $(TARGET)

dist:
	@packaging/dist.py

tools:
	@.ci/tools

clean:
	rm -rf build .venv
	cargo clean

lib:
	@python3 packaging/library.py --target-dir $(call quote,$(TARGET_DIR)) $(call quote,$(LIB_DIR))

examples: $(EXAMPLES)

# Linked again each time: it takes a moment, and the directory of the library may have changed.
$(BUILD)/%: examples-c/%.c lib
	@mkdir -p $(@D)
	@$(CC) $(WARNINGS) $(CFLAGS) $< $(LINK) -o $@

$(BUILD)/%-cpp: examples-c/%.cpp lib
	@mkdir -p $(@D)
	@$(CXX) -std=c++17 $(EVERY_WARNING) $(CXXFLAGS) $< $(LINK) -o $@

print-lib-dir:
	@printf '%s\n' $(call quote,$(LIB_DIR))

print-examples-dir:
	@printf '%s\n' $(call quote,$(CURDIR)/$(BUILD))
