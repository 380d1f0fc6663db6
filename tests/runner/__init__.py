"""The test runner: `engine` runs named steps, `tools` finds programs, the other modules are the steps."""
