// The generator of protocol/wire/pb. A module of its own, so that nothing of it reaches the users of the main module.
module github.com/brahms-p2p/brahms-p2p/tools/proto

go 1.26.0

require (
	github.com/bufbuild/protocompile v0.14.1
	google.golang.org/protobuf v1.36.11
)

require golang.org/x/sync v0.8.0 // indirect
