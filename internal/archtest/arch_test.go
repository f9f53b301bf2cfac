// Package archtest holds the rules about who may import whom, as a test that reads the sources of the whole checkout.
//
// A new package fails here until it has a row in rooms: whoever adds one says first what it may depend on.
package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "github.com/brahms-p2p/brahms-p2p"

const (
	golibp2p   = "github.com/libp2p/go-libp2p"
	corePeer   = golibp2p + "/core/peer"
	coreRecord = golibp2p + "/core/record"
	coreCrypto = golibp2p + "/core/crypto"
)

// A room is a directory with the packages below it, up to the next room.
type room struct {
	dir      string
	module   []string // rooms of this module that it may import; its own packages are always allowed
	outside  []string // third-party import paths, each with what is below it; anyOutside lifts the limit
	libp2p   []string // exact packages of go-libp2p; anyOutside lifts the limit
	pure     bool     // equal inputs give equal outputs: see impure and checkPure
	banned   []string // further packages of the standard library that it may not import
	required bool     // must exist and hold at least one non-test file
}

var anyOutside = []string{"*"}

var rooms = []room{
	{dir: "view", pure: true, required: true,
		outside: hashes, libp2p: []string{corePeer}},
	{dir: "sampler", pure: true, required: true,
		outside: hashes, libp2p: []string{corePeer}},
	{dir: "protocol", pure: true, required: true,
		module: []string{"view", "sampler"},
		libp2p: []string{corePeer}},
	{dir: "protocol/wire", pure: true, required: true,
		outside: []string{"google.golang.org/protobuf", "github.com/multiformats/go-varint", "github.com/multiformats/go-multiaddr"},
		libp2p:  []string{corePeer, coreRecord, coreCrypto}},
	{dir: "protocol/token", pure: true, required: true, // push tokens
		module: []string{"protocol/wire"},
		libp2p: []string{corePeer}},
	{dir: "protocol/state", pure: true, required: true, // the state as bytes
		module: []string{"protocol", "sampler"},
		libp2p: []string{corePeer}},
	{dir: "host", required: true,
		module:  []string{"protocol", "protocol/wire", "protocol/token", "protocol/state", "internal/statefile", "internal/limit"},
		outside: anyOutside, libp2p: anyOutside},

	{dir: "metrics", required: true, // Prometheus
		module:  []string{"host", "protocol", "consensus", "consensus/machine", "spread"},
		outside: []string{"github.com/prometheus/client_golang/prometheus"}, libp2p: []string{corePeer}},

	{dir: "adapters", required: true, module: []string{"host", "internal/atomicfile"}, outside: anyOutside, libp2p: anyOutside},
	{dir: "spread", required: true,
		module:  []string{"host", "protocol/wire", "spread/gossip", "spread/message", "internal/limit"},
		outside: anyOutside, libp2p: anyOutside},
	{dir: "spread/gossip", pure: true, required: true, // what to do with a message
		module: []string{"spread/message"},
		libp2p: []string{corePeer}},
	{dir: "spread/message", pure: true, required: true, // messages as bytes
		module:  []string{"protocol/wire"},
		outside: []string{"google.golang.org/protobuf"},
		libp2p:  []string{corePeer, coreCrypto}},
	{dir: "consensus", required: true,
		module:  []string{"host", "consensus/machine", "consensus/wire", "protocol/wire", "internal/limit", "internal/statefile"},
		outside: anyOutside, libp2p: anyOutside},
	{dir: "consensus/machine", pure: true, required: true, // agreement on sets
		libp2p: []string{corePeer}},
	{dir: "consensus/wire", pure: true,
		module:  []string{"consensus/machine", "protocol/wire"},
		outside: []string{"google.golang.org/protobuf"},
		libp2p:  []string{corePeer, coreCrypto}},
	{dir: "internal/consim", // many machines, rounds, loss, adversaries
		module: []string{"consensus/machine", "consensus/wire", "protocol/wire"},
		libp2p: []string{corePeer}},

	{dir: "internal/sim",
		module: []string{"protocol", "internal/usage"},
		libp2p: []string{corePeer}},
	{dir: "internal/sim/suite", // files of scenarios, tables
		module:  []string{"internal/sim", "internal/sim/plots", "internal/atomicfile"},
		outside: []string{"github.com/BurntSushi/toml"}},
	{dir: "internal/sim/plots", // figures
		module:  []string{"internal/sim", "internal/atomicfile"},
		outside: []string{"gonum.org/v1/plot", "golang.org/x/image"}},
	{dir: "internal/swarm",
		module: []string{"host", "spread", "spread/message", "consensus", "consensus/machine", "internal/attack", "internal/stattest",
			"internal/usage"},
		outside: anyOutside, libp2p: anyOutside},
	{dir: "internal/watch", // --http
		module:  []string{"host", "protocol", "internal/swarm"},
		outside: []string{"github.com/prometheus/client_golang/prometheus", "golang.org/x/net/netutil", "github.com/multiformats/go-multiaddr"},
		libp2p:  []string{corePeer}},
	{dir: "internal/attack",
		module:  []string{"protocol/token", "protocol/wire", "spread/message", "consensus/machine", "consensus/wire"},
		outside: anyOutside, libp2p: anyOutside},
	{dir: "internal/stattest", banned: []string{"testing"}, outside: []string{"gonum.org/v1/gonum"}},
	{dir: "internal/usage"},
	{dir: "internal/atomicfile"},
	{dir: "internal/statefile", outside: []string{"github.com/gofrs/flock"}},
	{dir: "internal/archtest"},
	{dir: "internal/limit", required: true, // what others may make a service do
		outside: []string{"github.com/multiformats/go-multiaddr"}, libp2p: []string{corePeer, golibp2p + "/core/network"}},

	{dir: "internal/rawpeer", outside: anyOutside, libp2p: anyOutside}, // bytes that a correct peer never sends

	{dir: "examples", module: []string{"host"}, outside: anyOutside, libp2p: anyOutside},

	{dir: "cmd",
		module: []string{"host", "spread", "spread/message", "consensus", "consensus/machine", "internal/sim", "internal/sim/suite",
			"internal/sim/plots", "internal/swarm", "internal/atomicfile", "internal/watch", "metrics", "adapters"},
		outside: anyOutside, libp2p: anyOutside},
}

var hashes = []string{"github.com/dgryski/go-farm", "github.com/dchest/siphash"}

// impure lists what no pure room imports, each with the packages below it: what waits, reads the machine, prints,
// or draws from a seed that nobody chose (hash/maphash belongs here for that).
var impure = []string{
	"C", "context", "crypto/rand", "hash/maphash", "log", "math/rand", "net", "os", "sync", "syscall", "time", "unsafe",
}

// generatedMay lists what protoc-gen-go puts into its files whatever the schema says.
var generatedMay = []string{"sync", "unsafe"}

// randV2 lists the names of math/rand/v2 that need a seed or a source of their caller; all others use the global one.
var randV2 = []string{"ChaCha8", "New", "NewChaCha8", "NewPCG", "NewZipf", "PCG", "Rand", "Source", "Zipf"}

// heavy lists modules that only nested modules such as examples/ may require: they drag in most of the ecosystem.
var heavy = []string{
	"github.com/libp2p/go-libp2p-kad-dht", "github.com/libp2p/go-libp2p-pubsub", "github.com/ipfs/boxo",
}

// A source is one parsed file; name is relative to the root of the checkout, with slashes.
type source struct {
	name   string
	file   *ast.File
	fset   *token.FileSet
	nested bool // belongs to a module below the root one: only the rules for tests apply
}

func parse(name string, content any) (source, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, content, parser.ParseComments)
	return source{name: name, file: file, fset: fset}, err
}

func (s source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

// isGenerated needs the name and the header, so neither alone opens a pure room.
func (s source) isGenerated() bool {
	return strings.HasSuffix(s.name, ".pb.go") && ast.IsGenerated(s.file)
}

// check returns one line for every breach in the sources, in their order.
func check(sources []source) []string {
	var found []string
	for _, s := range sources {
		report := func(pos token.Pos, format string, args ...any) {
			found = append(found, fmt.Sprintf("%s:%d: %s", s.name, s.fset.Position(pos).Line, fmt.Sprintf(format, args...)))
		}
		if s.isTest() {
			checkTest(s, report)
			continue
		}
		if s.nested {
			continue
		}
		r, ok := roomOf(path.Dir(s.name))
		if !ok {
			report(s.file.Package, "directory %s has no row in the table of rooms (internal/archtest)", path.Dir(s.name))
			continue
		}
		checkImports(s, r, report)
		if r.pure && !s.isGenerated() {
			checkPure(s, r, report)
		}
	}
	return found
}

// missing returns one line for every required room without a non-test source: an emptied table must not pass.
func missing(sources []source) []string {
	seen := map[string]bool{}
	for _, s := range sources {
		if r, ok := roomOf(path.Dir(s.name)); ok && !s.nested && !s.isTest() {
			seen[r.dir] = true
		}
	}
	var found []string
	for _, r := range rooms {
		if r.required && !seen[r.dir] {
			found = append(found, fmt.Sprintf("room %s has no Go source: it was moved, or the test reads the wrong directory", r.dir))
		}
	}
	return found
}

// roomOf returns the innermost room that holds dir.
func roomOf(dir string) (room, bool) {
	best, ok := room{}, false
	for _, r := range rooms {
		if within(dir, r.dir) && len(r.dir) > len(best.dir) {
			best, ok = r, true
		}
	}
	return best, ok
}

func within(p, prefix string) bool { return p == prefix || strings.HasPrefix(p, prefix+"/") }

func withinAny(p string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return prefix == "*" || within(p, prefix) })
}

type reporter func(pos token.Pos, format string, args ...any)

func checkImports(s source, r room, report reporter) {
	for _, spec := range s.file.Imports {
		p := importPath(spec)
		switch {
		case within(p, modulePath):
			dir := strings.TrimPrefix(strings.TrimPrefix(p, modulePath), "/")
			to, ok := roomOf(dir)
			if !ok || (to.dir != r.dir && !slices.Contains(r.module, to.dir)) {
				report(spec.Pos(), "%s may not import %s; of this module it may import %v", r.dir, p, r.module)
			}
		case within(p, golibp2p):
			if !slices.Contains(r.libp2p, p) && !slices.Contains(r.libp2p, "*") {
				report(spec.Pos(), "%s may not import %s; of go-libp2p it may import %v", r.dir, p, r.libp2p)
			}
		case isStd(p):
			if withinAny(p, r.banned) {
				report(spec.Pos(), "%s may not import %s", r.dir, p)
			}
			if !r.pure || p == "math/rand/v2" {
				continue
			}
			if withinAny(p, impure) && !(s.isGenerated() && slices.Contains(generatedMay, p)) {
				report(spec.Pos(), "%s is a pure room and may not import %s", r.dir, p)
			}
		case !withinAny(p, r.outside):
			report(spec.Pos(), "%s may not import %s; of third parties it may import %v", r.dir, p, r.outside)
		}
	}
}

func checkPure(s source, r room, report reporter) {
	randName, dotted := nameOf(s.file, "math/rand/v2", "rand")
	if dotted {
		report(s.file.Package, "%s may not import math/rand/v2 with a dot: it hides draws from the global source", r.dir)
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			report(n.Pos(), "%s is a pure room and may not start goroutines", r.dir)
		case *ast.SelectorExpr:
			if isPackage(n.X, randName) && !slices.Contains(randV2, n.Sel.Name) {
				report(n.Pos(), "%s may not use rand.%s: it draws from the global source", r.dir, n.Sel.Name)
			}
		}
		return true
	})
}

func checkTest(s source, report reporter) {
	timeName, dotted := nameOf(s.file, "time", "time")
	if dotted {
		report(s.file.Package, "tests may not import time with a dot: it hides sleeps")
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if isPackage(n.X, timeName) && n.Sel.Name == "Sleep" {
				report(n.Pos(), "tests may not sleep: wait for the event itself, or step the clock")
			}
		case *ast.CallExpr:
			sel, ok := n.Fun.(*ast.SelectorExpr)
			if ok && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) {
				report(n.Pos(), "tests may not skip: a build tag says openly what runs where")
			}
		}
		return true
	})
}

// checkGoMod returns one line for every heavy module named in a go.mod, comments aside.
func checkGoMod(name, content string) []string {
	var found []string
	for i, line := range strings.Split(content, "\n") {
		line, _, _ = strings.Cut(line, "//")
		for _, word := range strings.Fields(line) {
			if withinAny(strings.Trim(word, `"`), heavy) {
				found = append(found, fmt.Sprintf("%s:%d: %s belongs to the go.mod of examples/ or of another nested module", name, i+1, word))
			}
		}
	}
	return found
}

func importPath(spec *ast.ImportSpec) string {
	p, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		panic("archtest: internal error: the parser let through the import " + spec.Path.Value)
	}
	return p
}

// nameOf returns the name under which f uses the package, "" if it does not, and whether it is imported with a dot.
func nameOf(f *ast.File, pkg, base string) (name string, dotted bool) {
	for _, spec := range f.Imports {
		switch {
		case importPath(spec) != pkg:
		case spec.Name == nil:
			name = base
		case spec.Name.Name == ".":
			dotted = true
		default:
			name = spec.Name.Name
		}
	}
	return name, dotted
}

// isPackage tells whether x is the package of that name, not a variable that shadows it.
func isPackage(x ast.Expr, name string) bool {
	id, ok := x.(*ast.Ident)
	return ok && name != "" && id.Name == name && id.Obj == nil
}

// isStd goes by the rule of the go command: only the first element of a path with a host has a dot.
func isStd(p string) bool {
	first, _, _ := strings.Cut(p, "/")
	return !strings.Contains(first, ".")
}

// readTree parses every Go file below root. What a nested module holds is marked as such; testdata and hidden
// directories are left out, as the go command does.
func readTree(root string) ([]source, error) {
	var sources []source
	nested := map[string]bool{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if d.IsDir() {
			base := d.Name()
			if name != "." && (base == "testdata" || base == "node_modules" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")) {
				return filepath.SkipDir
			}
			if name != "." {
				_, err := os.Stat(filepath.Join(file, "go.mod"))
				nested[name] = err == nil || nested[path.Dir(name)]
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		s, err := parse(file, nil)
		if err != nil {
			return err
		}
		s.name, s.nested = name, nested[path.Dir(name)]
		sources = append(sources, s)
		return nil
	})
	return sources, err
}

func TestImportRules(t *testing.T) {
	root := filepath.Join("..", "..")
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(mod), "module "+modulePath+"\n") {
		t.Fatalf("%s/go.mod is not that of %s: the rules below would name nothing", root, modulePath)
	}
	sources, err := readTree(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, breach := range slices.Concat(missing(sources), check(sources), checkGoMod("go.mod", string(mod))) {
		t.Error(breach)
	}
}

// TestBreachesAreReported is the negative control: every rule gets a source that breaks it, and a neighbour that does not.
func TestBreachesAreReported(t *testing.T) {
	const m = modulePath
	imports := func(paths ...string) string {
		var b strings.Builder
		b.WriteString("package p\n")
		for _, p := range paths {
			fmt.Fprintf(&b, "import %s\n", p)
		}
		return b.String()
	}
	q := strconv.Quote
	const pbHeader = "// Code generated by protoc-gen-go. DO NOT EDIT.\n"
	for _, c := range []struct {
		about, name, src string
		want             string // part of the one report; "" where none may come
	}{
		{"view imports sampler", "view/a.go", imports(q(m + "/sampler")), "view may not import"},
		{"sampler imports protocol", "sampler/a.go", imports(q(m + "/protocol")), "sampler may not import"},
		{"sampler imports its hashes", "sampler/a.go", imports(q("github.com/dgryski/go-farm"), q("github.com/dchest/siphash"), q("crypto/aes"), q(corePeer)), ""},
		{"sampler imports another third party", "sampler/a.go", imports(q("github.com/spaolacci/murmur3")), "of third parties"},
		{"a look-alike of an allowed module", "sampler/a.go", imports(q("github.com/dchest/siphash2")), "of third parties"},
		{"protocol imports its rooms", "protocol/a.go", imports(q(m+"/view"), q(m+"/sampler"), q(corePeer), q("math/rand/v2")), ""},
		{"protocol imports wire", "protocol/a.go", imports(q(m + "/protocol/wire")), "protocol may not import"},
		{"protocol imports core/host", "protocol/a.go", imports(q(golibp2p + "/core/host")), "of go-libp2p"},
		{"protocol imports below core/peer", "protocol/a.go", imports(q(corePeer + "/pb")), "of go-libp2p"},
		{"wire imports protocol", "protocol/wire/a.go", imports(q(m + "/protocol")), "protocol/wire may not import"},
		{"wire imports what it needs", "protocol/wire/a.go", imports(q("google.golang.org/protobuf/proto"), q("github.com/multiformats/go-varint"), q("github.com/multiformats/go-multiaddr"), q(m+"/protocol/wire/pb"), q(coreRecord), q(coreCrypto)), ""},
		{"wire imports core/network", "protocol/wire/a.go", imports(q(golibp2p + "/core/network")), "of go-libp2p"},
		{"host imports what it needs", "host/a.go", imports(q(m+"/protocol"), q(m+"/protocol/wire"), q(golibp2p+"/core/network"), q("time")), ""},
		{"host imports view", "host/a.go", imports(q(m + "/view")), "host may not import"},
		{"host imports an adapter", "host/a.go", imports(q(m + "/adapters/discovery")), "host may not import"},
		{"host imports spread", "host/a.go", imports(q(m + "/spread")), "host may not import"},
		{"host imports consensus", "host/a.go", imports(q(m + "/consensus")), "host may not import"},
		{"host imports the simulator", "host/sub/a.go", imports(q(m + "/internal/sim")), "host may not import"},
		{"adapters import host", "adapters/discovery/a.go", imports(q(m + "/host")), ""},
		{"adapters import what they need", "adapters/a.go", imports(q(golibp2p+"/core/discovery"), q(m+"/internal/atomicfile")), ""},
		{"adapters import protocol", "adapters/discovery/a.go", imports(q(m + "/protocol")), "adapters may not import"},
		{"the machine of messages imports their format", "spread/gossip/a.go", imports(q(m + "/spread/message")), ""},
		{"the machine of messages reads the clock", "spread/gossip/a.go", imports(q("time")), "pure room"},
		{"the format of messages imports the service", "spread/message/a.go", imports(q(m + "/spread")), "spread/message may not import"},
		{"spread imports host", "spread/a.go", imports(q(m + "/host")), ""},
		{"spread imports consensus", "spread/a.go", imports(q(m + "/consensus")), "spread may not import"},
		{"consensus imports host", "consensus/a.go", imports(q(m + "/host")), ""},
		{"consensus imports the swarm", "consensus/a.go", imports(q(m + "/internal/swarm")), "consensus may not import"},
		{"the simulator imports protocol", "internal/sim/a.go", imports(q(m+"/protocol"), q("time")), ""},
		{"the simulator imports host", "internal/sim/a.go", imports(q(m + "/host")), "internal/sim may not import"},
		{"the simulator imports go-libp2p", "internal/sim/a.go", imports(q(golibp2p)), "of go-libp2p"},
		{"the swarm imports host and attack", "internal/swarm/a.go", imports(q(m+"/host"), q(m+"/internal/attack"), q(golibp2p)), ""},
		{"the swarm imports the simulator", "internal/swarm/a.go", imports(q(m + "/internal/sim")), "internal/swarm may not import"},
		{"the page imports host and swarm", "internal/watch/a.go", imports(q(m+"/host"), q(m+"/internal/swarm"), q("net/http")), ""},
		{"the page imports the simulator", "internal/watch/a.go", imports(q(m + "/internal/sim")), "internal/watch may not import"},
		{"metrics import host", "metrics/a.go", imports(q(m+"/host"), q("github.com/prometheus/client_golang/prometheus")), ""},
		{"metrics import the page", "metrics/a.go", imports(q(m + "/internal/watch")), "metrics may not import"},
		{"host imports metrics", "host/a.go", imports(q(m + "/metrics")), "host may not import"},
		{"attack imports wire", "internal/attack/a.go", imports(q(m+"/protocol/wire"), q(golibp2p)), ""},
		{"attack imports host", "internal/attack/a.go", imports(q(m + "/host")), "internal/attack may not import"},
		{"stattest imports testing", "internal/stattest/a.go", imports(q("testing")), "internal/stattest may not import"},
		{"cmd imports its rooms", "cmd/brahms-p2p/a.go", imports(q(m+"/host"), q(m+"/internal/sim"), q(m+"/internal/swarm"), q("os")), ""},
		{"cmd imports protocol", "cmd/brahms-p2p/a.go", imports(q(m + "/protocol")), "cmd may not import"},
		{"anything imports a package without a row", "cmd/brahms-p2p/a.go", imports(q(m + "/util")), "cmd may not import"},
		{"anything imports the root package", "host/a.go", imports(q(m)), "host may not import"},
		{"a package without a row", "util/a.go", imports(), "has no row"},
		{"a package beside the rooms of internal", "internal/util/a.go", imports(), "has no row"},

		{"net", "protocol/a.go", imports(q("net")), "pure room"},
		{"below net", "protocol/a.go", imports(q("net/netip")), "pure room"},
		{"os", "view/a.go", imports(q("os")), "pure room"},
		{"time", "sampler/a.go", imports(q("time")), "pure room"},
		{"sync", "protocol/a.go", imports(q("sync")), "pure room"},
		{"sync/atomic", "protocol/a.go", imports(q("sync/atomic")), "pure room"},
		{"context", "protocol/a.go", imports(q("context")), "pure room"},
		{"log", "protocol/a.go", imports(q("log")), "pure room"},
		{"log/slog", "protocol/wire/a.go", imports(q("log/slog")), "pure room"},
		{"crypto/rand", "sampler/a.go", imports(q("crypto/rand")), "pure room"},
		{"math/rand", "view/a.go", imports(q("math/rand")), "pure room"},
		{"hash/maphash", "sampler/a.go", imports(q("hash/maphash")), "pure room"},
		{"unsafe", "sampler/a.go", imports(q("unsafe")), "pure room"},
		{"a hidden import of time", "view/a.go", imports("_ " + q("time")), "pure room"},
		{"time in a file behind a build tag", "view/a.go", "//go:build linux\n\n" + imports(q("time")), "pure room"},
		{"a test of a pure room reads files", "protocol/a_test.go", imports(q("os"), q("time"), q("testing")), ""},

		{"generated code imports sync", "protocol/wire/pb/a.pb.go", pbHeader + imports(q("sync"), q("unsafe"), q("reflect")), ""},
		{"generated code imports time", "protocol/wire/pb/a.pb.go", pbHeader + imports(q("time")), "pure room"},
		{"the name of generated code alone", "protocol/wire/pb/a.pb.go", imports(q("sync")), "pure room"},
		{"the header of generated code alone", "protocol/wire/pb/a.go", pbHeader + imports(q("sync")), "pure room"},

		{"a generator that is given", "view/a.go", imports(q("math/rand/v2")) + "func f(r *rand.Rand) int { return rand.New(rand.NewPCG(1, 2)).IntN(3) + r.IntN(2) }", ""},
		{"the global generator", "view/a.go", imports(q("math/rand/v2")) + "func f() int { return rand.IntN(3) }", "rand.IntN"},
		{"the global generator as a value", "view/a.go", imports(q("math/rand/v2")) + "var f = rand.Shuffle", "rand.Shuffle"},
		{"the global generator by its type parameter", "view/a.go", imports(q("math/rand/v2")) + "var f = rand.N[int]", "rand.N"},
		{"the global generator under another name", "view/a.go", imports("mrand "+q("math/rand/v2")) + "var f = mrand.Perm", "rand.Perm"},
		{"the global generator with a dot", "view/a.go", imports(". "+q("math/rand/v2")) + "var f = Perm", "with a dot"},
		{"a variable that is called rand", "view/a.go", imports(q("math/rand/v2")) + "func f(rand *rand.Rand) int { return rand.IntN(3) }", ""},
		{"a goroutine", "protocol/a.go", imports() + "func f() { go f() }", "goroutines"},
		{"a goroutine in host", "host/a.go", imports() + "func f() { go f() }", ""},

		{"a sleep in a test", "host/a_test.go", imports(q("time")) + "func f() { time.Sleep(1) }", "may not sleep"},
		{"a sleep as a value", "host/a_test.go", imports("clock "+q("time")) + "var f = clock.Sleep", "may not sleep"},
		{"a sleep with a dot", "host/a_test.go", imports(". "+q("time")) + "var f = Sleep", "with a dot"},
		{"a timer in a test", "host/a_test.go", imports(q("time")) + "func f() { <-time.After(1) }", ""},
		{"a sleep in the program", "host/a.go", imports(q("time")) + "func f() { time.Sleep(1) }", ""},
		{"a skipped test", "view/a_test.go", imports(q("testing")) + "func TestX(t *testing.T) { t.Skip() }", "may not skip"},
		{"a skipped benchmark", "view/a_test.go", imports(q("testing")) + "func BenchmarkX(b *testing.B) { b.Skipf(\"\") }", "may not skip"},
		{"a test skipped from a function", "view/a_test.go", imports(q("testing")) + "func f(tb testing.TB) { tb.SkipNow() }", "may not skip"},
	} {
		t.Run(c.about, func(t *testing.T) {
			s, err := parse(c.name, c.src)
			if err != nil {
				t.Fatal(err)
			}
			got := check([]source{s})
			switch {
			case c.want == "" && len(got) > 0:
				t.Fatalf("reported without a breach: %q", got)
			case c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)):
				t.Fatalf("got the reports %q, want one with %q", got, c.want)
			}
		})
	}
}

func TestNestedModulesKeepTheRulesForTests(t *testing.T) {
	for _, c := range []struct {
		name, src string
		want      int
	}{
		{"interop/a.go", "package p\nimport \"github.com/libp2p/go-libp2p-kad-dht\"", 0},
		{"interop/a_test.go", "package p\nimport \"time\"\nvar f = time.Sleep", 1},
	} {
		s, err := parse(c.name, c.src)
		if err != nil {
			t.Fatal(err)
		}
		s.nested = true
		if got := check([]source{s}); len(got) != c.want {
			t.Errorf("%s: got %q, want %d reports", c.name, got, c.want)
		}
	}
}

func TestMissingRoomsAreReported(t *testing.T) {
	var all []source
	for _, r := range rooms {
		s, err := parse(r.dir+"/a.go", "package p")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if got := missing(all); len(got) != 0 {
		t.Errorf("reported with every room in place: %q", got)
	}
	for i, r := range rooms {
		got := missing(slices.Concat(all[:i], all[i+1:]))
		if r.required != (len(got) == 1) {
			t.Errorf("without %s: got %q, required: %v", r.dir, got, r.required)
		}
	}
	s, err := parse("view/a_test.go", "package p")
	if err != nil {
		t.Fatal(err)
	}
	if got := missing([]source{s}); !slices.ContainsFunc(got, func(l string) bool { return strings.Contains(l, "room view ") }) {
		t.Errorf("a room of tests alone counts as found: %q", got)
	}
}

func TestHeavyModulesAreReported(t *testing.T) {
	const good = "module x\n\nrequire (\n\tgithub.com/libp2p/go-libp2p v0.51.0\n\t// github.com/ipfs/boxo would be too much\n)\n"
	if got := checkGoMod("go.mod", good); len(got) != 0 {
		t.Errorf("reported without a breach: %q", got)
	}
	for _, line := range []string{
		"require github.com/libp2p/go-libp2p-kad-dht v0.30.0",
		"require (\n\tgithub.com/libp2p/go-libp2p-pubsub v0.13.0 // indirect\n)",
		"replace github.com/ipfs/boxo => ../boxo",
		"require \"github.com/ipfs/boxo/v2\" v2.0.0",
	} {
		if got := checkGoMod("go.mod", good+line+"\n"); len(got) != 1 {
			t.Errorf("%q: got the reports %q, want one", line, got)
		}
	}
}

func TestReadTree(t *testing.T) {
	root := t.TempDir()
	for name, content := range map[string]string{
		"go.mod": "module x\n", "view/a.go": "package view\n", "view/a_test.go": "package view\n",
		"view/testdata/x.go": "not Go", ".hidden/x.go": "not Go", "js/node_modules/x.go": "not Go",
		"interop/go.mod": "module y\n", "interop/deep/a_test.go": "package deep\n",
	} {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sources, err := readTree(root)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range sources {
		got = append(got, fmt.Sprintf("%s nested=%v", s.name, s.nested))
	}
	want := []string{"interop/deep/a_test.go nested=true", "view/a.go nested=false", "view/a_test.go nested=false"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := os.WriteFile(filepath.Join(root, "view", "b.go"), []byte("not Go"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readTree(root); err == nil {
		t.Error("a file that does not parse was passed over")
	}
}
