package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"
)

const packaging = "../../packaging/"

// TestPackagedCommands: what the unit and the container start is a command line that the program takes, with the configuration
// file beside them.
func TestPackagedCommands(t *testing.T) {
	read := func(file, pattern string) string {
		text, err := os.ReadFile(packaging + file)
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile("(?m)" + pattern).FindStringSubmatch(string(text))
		if m == nil {
			t.Fatalf("%s: nothing matches %s", file, pattern)
		}
		return m[1]
	}
	var container []string
	if err := json.Unmarshal([]byte(read("Containerfile", `^ENTRYPOINT (\[.*\])$`)), &container); err != nil {
		t.Fatal(err)
	}
	for what, args := range map[string][]string{
		"unit":      strings.Fields(read("brahms-p2p.service", `^ExecStart=(.*)$`)),
		"container": container,
	} {
		for i := range args {
			args[i] = strings.Replace(args[i], "/etc/brahms-p2p.toml", packaging+"brahms-p2p.toml", 1)
		}
		if !strings.HasSuffix(args[0], "/"+name) {
			t.Errorf("%s starts %s", what, args[0])
		}
		root := rootCommand(io.Discard, io.Discard)
		ran := false
		root.Command("run").Action = func(_ context.Context, cmd *cli.Command) error {
			ran = true
			if cmd.Args().Present() {
				t.Errorf("%s: argument %q", what, cmd.Args().First())
			}
			listen, err := listenAddrs(cmd.StringSlice("listen"))
			if err != nil || len(listen) < 2 || !strings.Contains(listen[0].String(), "/tcp/4001") {
				t.Errorf("%s listens on %v, %v", what, listen, err)
			}
			if cmd.String("data") == "" {
				t.Errorf("%s keeps no state", what)
			}
			return nil
		}
		if err := root.Run(t.Context(), append([]string{name}, args[1:]...)); err != nil || !ran {
			t.Errorf("%s: %v", what, err)
		}
	}
}
