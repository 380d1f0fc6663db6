# The front door. Cargo builds the library, cmake/ installs it; this only names the common commands.
#
#   make run     build the library and examples-c/quickstart.c, and run it on DIRECTORY (./log-data)
#   make test    every test (tests/run --help for a selection; TEST_FLAGS are passed on)
#   make bench   libimmuta beside bare C loops that do the same work (QUICK=1: a short form)
#   make tools   install what the tests want beyond Rust, a C compiler and Python (Debian, Ubuntu)
#   make clean   remove what these commands made, except logs

DIRECTORY ?= ./log-data
TEST_FLAGS ?=
CFLAGS ?= -O2
WARNINGS := -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Werror

# One word of the shell, whatever is in it: $(abspath) and unquoted words end at a space.
quote = '$(subst ','\'',$1)'
LIB_DIR := $(shell realpath --canonicalize-missing -- $(call quote,$(or $(CARGO_TARGET_DIR),target)))/release
BUILD := build/make
# The name programs ask the loader for; cargo does not make the link.
SONAME := $(shell sed -n 's/^version = "\(0\.[0-9]*\|[1-9][0-9]*\)\..*/libimmuta.so.\1/p' Cargo.toml)
LINK := -Iinclude -L$(call quote,$(LIB_DIR)) -limmuta -Xlinker -rpath -Xlinker $(call quote,$(LIB_DIR))
EXAMPLES := $(patsubst examples-c/%.c,$(BUILD)/%,$(wildcard examples-c/*.c))

.PHONY: run test bench tools clean lib examples print-lib-dir print-examples-dir

run: $(BUILD)/quickstart
	@$(BUILD)/quickstart $(call quote,$(DIRECTORY))

test:
	@tests/run $(TEST_FLAGS)

bench: $(BUILD)/bench
	@$(BUILD)/bench $(if $(QUICK),--quick) $(BUILD)

tools:
	@.ci/tools

clean:
	rm -rf build .venv
	cargo clean

lib:
	@cargo build --locked --release --package immuta --lib
	@ln -sf libimmuta.so $(call quote,$(LIB_DIR)/$(SONAME))

examples: $(EXAMPLES)

# Linked again each time: it takes a moment, and the directory of the library may have changed.
$(BUILD)/%: examples-c/%.c lib
	@mkdir -p $(@D)
	@$(CC) $(WARNINGS) $(CFLAGS) $< $(LINK) -o $@

$(BUILD)/bench: $(wildcard benches/*.c) lib
	@mkdir -p $(@D)
	@$(CC) $(WARNINGS) -O3 $(filter %.c,$^) $(LINK) -pthread -o $@

print-lib-dir:
	@printf '%s\n' $(call quote,$(LIB_DIR))

print-examples-dir:
	@printf '%s\n' $(call quote,$(CURDIR)/$(BUILD))
