// Package packaging holds the tests of what users install: the container, the systemd unit, the manual page and completion in
// real shells. It is a module of its own, since these tests need Linux, and programs that are not a part of Go: bash, zsh, fish,
// mandoc and systemd-analyze.
package packaging
