// The Go original, newest release. Its other release here is in v0.0.8.mod. README.md of the peers says where they are
// taken from.
module original

go 1.26

replace peers/harness => ../harness

require (
	ella.to/immuta v0.2.0
	peers/harness v0.0.0
)

require ella.to/solid v0.1.0 // indirect
