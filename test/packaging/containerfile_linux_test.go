package packaging

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A stage of the Containerfile: from its FROM to the next one.
type stage struct {
	image, name  string
	instructions []instruction
}

type instruction struct{ name, args string }

// readContainerfile reads the Containerfile. Those who build it have a parser of their own: this one knows no more than it must,
// and fails for what it does not know.
func readContainerfile() ([]stage, error) {
	text, err := os.ReadFile(filepath.Join(root, "packaging", "Containerfile"))
	if err != nil {
		return nil, err
	}
	return parse(string(text))
}

func parse(text string) ([]stage, error) {
	known := regexp.MustCompile(`^(FROM|WORKDIR|COPY|RUN|USER|VOLUME|EXPOSE|STOPSIGNAL|ENTRYPOINT) (\S.*)$`)
	var stages []stage
	for _, line := range strings.Split(text, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := known.FindStringSubmatch(line)
		if m == nil || strings.HasSuffix(line, `\`) {
			return nil, fmt.Errorf("not understood: %q", line)
		}
		if m[1] == "FROM" {
			words := strings.Fields(m[2])
			s := stage{image: words[0]}
			if len(words) == 3 && words[1] == "AS" {
				s.name = words[2]
			} else if len(words) != 1 {
				return nil, fmt.Errorf("not understood: %q", line)
			}
			stages = append(stages, s)
			continue
		}
		if len(stages) == 0 {
			return nil, fmt.Errorf("%q stands before the first FROM", line)
		}
		last := &stages[len(stages)-1]
		last.instructions = append(last.instructions, instruction{m[1], m[2]})
	}
	if len(stages) == 0 {
		return nil, fmt.Errorf("no stage")
	}
	return stages, nil
}

// one returns the arguments of the only instruction of this name, "" if it is not there once.
func (s stage) one(name string) string {
	args := ""
	for _, i := range s.instructions {
		if i.name == name {
			if args != "" {
				return ""
			}
			args = i.args
		}
	}
	return args
}

func (s stage) entrypoint() (args []string) {
	_ = json.Unmarshal([]byte(s.one("ENTRYPOINT")), &args)
	return args
}

// A copied is a COPY: what, from which stage ("" for the checkout), and where to.
type copied struct {
	from, owner string
	what        []string
	to          string
}

func copies(s stage) (out []copied, err error) {
	for _, i := range s.instructions {
		if i.name != "COPY" {
			continue
		}
		var c copied
		words := strings.Fields(i.args)
		for len(words) > 0 && strings.HasPrefix(words[0], "--") {
			flag, value, _ := strings.Cut(words[0], "=")
			switch flag {
			case "--from":
				c.from = value
			case "--chown":
				c.owner = value
			default:
				return nil, fmt.Errorf("COPY %s: flag %s is not understood", i.args, flag)
			}
			words = words[1:]
		}
		if len(words) < 2 {
			return nil, fmt.Errorf("COPY %s names no two paths", i.args)
		}
		c.what, c.to = words[:len(words)-1], words[len(words)-1]
		out = append(out, c)
	}
	return out, nil
}

// faults lists what is wrong with a Containerfile: what cannot be built from the checkout, and what should not be shipped.
func faults(stages []stage, checkout, goVersion string) (out []string) {
	fault := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	names := map[string]bool{}
	for _, s := range stages {
		if _, tag, ok := strings.Cut(s.image[strings.LastIndex(s.image, "/")+1:], ":"); s.image != "scratch" && (!ok || tag == "latest") {
			fault("image %s has no tag", s.image)
		}
		if image, tag, _ := strings.Cut(s.image, ":"); strings.HasSuffix(image, "/golang") && tag != goVersion {
			fault("image %s, but go.mod asks for %s", s.image, goVersion)
		}
		list, err := copies(s)
		if err != nil {
			fault("%v", err)
		}
		for _, c := range list {
			if c.from != "" && !names[c.from] {
				fault("COPY from %s, no stage before it", c.from)
			}
			if len(c.what) > 1 && !strings.HasSuffix(c.to, "/") {
				fault("COPY of %d files to %s, which is no folder", len(c.what), c.to)
			}
			if !filepath.IsAbs(c.to) && s.one("WORKDIR") == "" {
				fault("COPY to %s without a WORKDIR", c.to)
			}
			for _, w := range c.what {
				if _, err := os.Stat(filepath.Join(checkout, w)); c.from == "" && err != nil {
					fault("COPY %s: the checkout has none", w)
				}
			}
		}
		names[s.name] = true
	}
	last := stages[len(stages)-1]
	if last.image != "scratch" {
		fault("the image is made from %s, not from scratch", last.image)
	}
	if last.one("RUN") != "" {
		fault("RUN in an image that has no shell")
	}
	if user := last.one("USER"); !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(user) {
		fault("user %q: an image without /etc/passwd needs numbers, and root is too much", user)
	}
	args := last.entrypoint()
	if len(args) == 0 {
		fault("ENTRYPOINT %s is no JSON list", last.one("ENTRYPOINT"))
		return out
	}
	// What is listened on is exposed, what is kept is in the volume, which belongs to the user.
	ports, data := map[string]bool{}, ""
	for i := 1; i+1 < len(args); i++ {
		switch args[i] {
		case "--listen":
			m := regexp.MustCompile(`/(tcp|udp)/(\d+)`).FindStringSubmatch(args[i+1])
			if m == nil {
				fault("it listens on %s", args[i+1])
				continue
			}
			ports[m[2]+"/"+m[1]] = true
		case "--data":
			data = args[i+1]
		}
	}
	exposed := strings.Fields(last.one("EXPOSE"))
	for _, p := range exposed {
		if !ports[p] {
			fault("%s is exposed, and not listened on", p)
		}
	}
	if len(exposed) != len(ports) || len(ports) == 0 {
		fault("%v are exposed, of %v", exposed, ports)
	}
	if data == "" || last.one("VOLUME") != data {
		fault("state is kept in %q, the volume is %q", data, last.one("VOLUME"))
	}
	list, _ := copies(last)
	owned := false
	for _, c := range list {
		owned = owned || c.to == data && c.owner == last.one("USER")
	}
	if !owned {
		fault("%s does not belong to the user", data)
	}
	return out
}

func TestContainerfile(t *testing.T) {
	stages, err := readContainerfile()
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(mod)
	for _, f := range faults(stages, root, string(version[1])) {
		t.Error(f)
	}
}

// TestFaults: each of the faults is found.
func TestFaults(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "packaging", "Containerfile"))
	if err != nil {
		t.Fatal(err)
	}
	good := string(b)
	for _, c := range []struct{ old, new, want string }{
		{":1.26 AS", ":1.25 AS", "go.mod asks for 1.26"},
		{":1.26 AS", " AS", "has no tag"},
		{"COPY go.mod go.sum ./", "COPY go.mod gone.sum ./", "gone.sum: the checkout has none"},
		{"COPY go.mod go.sum ./", "COPY go.mod go.sum .", "which is no folder"},
		{"WORKDIR /src\n", "", "without a WORKDIR"},
		{"--from=build /out/brahms", "--from=bild /out/brahms", "COPY from bild"},
		{"FROM scratch", "FROM docker.io/library/debian:12", "not from scratch"},
		{"VOLUME /data", "RUN true\nVOLUME /data", "has no shell"},
		{"USER 65532:65532", "USER nobody", "needs numbers"},
		{"USER 65532:65532", "USER 0:0", "root is too much"},
		{"VOLUME /data", "VOLUME /var", "the volume is"},
		{"--chown=65532:65532 ", "", "does not belong"},
		{" 4001/udp", "", "are exposed"},
		{"EXPOSE 4001/tcp", "EXPOSE 4002/tcp", "not listened on"},
		{"ENTRYPOINT [", "ENTRYPOINT sh -c [", "no JSON list"},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		stages, err := parse(text)
		if text == good || err != nil {
			t.Fatalf("%q for %q: %v", c.new, c.old, err)
		}
		if got := strings.Join(faults(stages, root, "1.26"), "\n"); !strings.Contains(got, c.want) {
			t.Errorf("%q for %q: found %q, want %q", c.new, c.old, got, c.want)
		}
	}
	for _, text := range []string{"", "RUN true\n", "FROM scratch\nADD x y\n", "FROM scratch\nRUN a \\\n", "FROM a b\n"} {
		if _, err := parse(text); err == nil {
			t.Errorf("%q is understood", text)
		}
	}
}
