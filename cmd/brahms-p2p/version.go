package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
)

// version is the version that the go command stamped into the binary, "devel" where it had none.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// buildWords are the settings of the build that version prints, and what it calls them.
var buildWords = map[string]string{
	"vcs.revision": "revision", "vcs.time": "committed", "vcs.modified": "modified", "CGO_ENABLED": "cgo", "-tags": "tags", "-ldflags": "ldflags",
}

func versionCommand(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "print the versions of the program and of what it is made of",
		Action: action(func(context.Context, *cli.Command) error {
			w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintf(w, "%s\t%s\n", name, version())
			fmt.Fprintf(w, "protocol\t%s\n", brahmshost.ID)
			fmt.Fprintf(w, "go\t%s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, dep := range info.Deps {
					if dep.Path == "github.com/libp2p/go-libp2p" {
						fmt.Fprintf(w, "go-libp2p\t%s\n", dep.Version)
					}
				}
				for _, s := range info.Settings {
					if word, ok := buildWords[s.Key]; ok {
						fmt.Fprintf(w, "%s\t%s\n", word, s.Value)
					}
				}
			}
			return w.Flush()
		}),
	}
}

// committed is the day of the commit that the binary was built from, "" where the go command did not stamp it.
func committed() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" && len(s.Value) >= len(time.DateOnly) {
			return s.Value[:len(time.DateOnly)]
		}
	}
	return ""
}
