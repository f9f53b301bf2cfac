module github.com/brahms-p2p/brahms-p2p/test/packaging

go 1.26.0
