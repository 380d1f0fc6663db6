// The Go original, the last release that commits each append by itself.
module original

go 1.26

replace peers/harness => ../harness

require (
	ella.to/immuta v0.0.8
	peers/harness v0.0.0
)

require ella.to/solid v0.0.3 // indirect
