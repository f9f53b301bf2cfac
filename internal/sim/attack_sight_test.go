package sim

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/libp2p/go-libp2p/core/peer"
)

// A spy is an attack that takes down which exchanges reach it.
type spy struct {
	attack
	curious  bool
	onAnswer func(x exchange)
	onReply  func(x exchange)
	onSee    func(w *world)
}

func (s *spy) answer(w *world, x exchange) (protocol.ProbeOutcome, int) {
	s.onAnswer(x)
	return s.attack.answer(w, x)
}

func (s *spy) reply(w *world, x exchange) []peer.ID {
	s.onReply(x)
	return s.attack.reply(w, x)
}

func (s *spy) watches() bool { return s.curious || s.attack.watches() }

func (s *spy) observe(w *world) {
	s.onSee(w)
	s.attack.observe(w)
}

// TestAttackSeesItsOwnExchangesOnly: what an attack is asked and told of are exchanges with faulty nodes and phantoms, those
// of the round that arrived, each once. What passes between correct nodes, or is lost, it never learns.
func TestAttackSeesItsOwnExchangesOnly(t *testing.T) {
	for _, name := range Attacks() {
		for _, jitter := range []float64{0, .5} {
			t.Run(fmt.Sprintf("%s jitter=%v", name, jitter), func(t *testing.T) {
				w := build(t, under(name, 60, func(c *Config) {
					c.Workers, c.Loss, c.Churn, c.Jitter, c.Victims, c.Start, c.Perfect = 1, .2, .02, jitter, 2, 3, false
				}))
				type key struct {
					kind     kind
					from, id peer.ID
				}
				asked := map[key]bool{}
				ordered := map[key]bool{}
				var toFaulty, between, phantoms int
				check := func(x exchange) {
					if x.to != nil && !x.to.faulty || x.from.faulty || x.to != w.member(x.id) {
						t.Fatalf("round %d: the adversary sees an exchange of kind %d of %d with %d", w.round, x.kind, x.from.number, w.member(x.id).number)
					}
				}
				s := &spy{attack: w.attack, curious: true}
				s.onAnswer = func(x exchange) {
					check(x)
					k := key{x.kind, x.from.id, x.id}
					if asked[k] {
						t.Fatalf("round %d: asked twice for exchange %+v", w.round, k)
					}
					asked[k] = true
				}
				s.onReply = func(x exchange) {
					check(x)
					if x.kind != pulling || !asked[key{x.kind, x.from.id, x.id}] {
						t.Fatalf("round %d: a reply to kind %d", w.round, x.kind)
					}
				}
				s.onSee = func(w *world) {
					seen := 0
					for _, m := range w.members {
						if !m.up {
							continue
						}
						for kind, ids := range map[kind][]peer.ID{pushing: m.acts.Pushes, pulling: m.acts.Pulls, probing: m.acts.Probes} {
							for _, id := range ids {
								ordered[key{kind, m.id, id}] = true
								switch to := w.member(id); {
								case to == nil:
									phantoms++
								case to.faulty:
									toFaulty++
								default:
									between++
								}
							}
						}
						for _, x := range m.contacted {
							check(x)
							if k := (key{x.kind, x.from.id, x.id}); x.from != m || !asked[k] || !ordered[k] {
								t.Fatalf("round %d: exchange %d of %d is not of this round", w.round, x.kind, x.from.number)
							}
							seen++
						}
					}
					if seen != len(asked) {
						t.Fatalf("round %d: told of %d exchanges, asked for %d", w.round, seen, len(asked))
					}
					clear(asked)
					clear(ordered)
				}
				w.attack = s
				seenInAll := 0
				onSee := s.onSee
				s.onSee = func(w *world) { seenInAll += len(asked); onSee(w) }
				steps(w, 40)
				if between < 1000 || toFaulty < 100 {
					t.Errorf("the test cannot fail: %d exchanges between correct nodes, %d with faulty ones", between, toFaulty)
				}
				// Loss hides .2, so does the cut of a partition, which lasts 30 rounds, of half of those.
				share := float64(seenInAll) / float64(toFaulty+phantoms)
				if most, least := .83, .77; name != "partition" && (share > most || share < least) {
					t.Errorf("the adversary sees %.3f of the exchanges with it, .2 are lost", share)
				}
				if (name == "phantom" || name == "shadow") && phantoms == 0 {
					t.Error("the test cannot fail: nobody contacted a phantom")
				}
			})
		}
	}
}

// TestAttackWatchesOnlyWhereItSays: contacts are kept for attacks that ask for them.
func TestAttackWatchesOnlyWhereItSays(t *testing.T) {
	for _, name := range Attacks() {
		w := build(t, under(name, 60, func(c *Config) { c.Perfect = false }))
		steps(w, 3)
		kept := 0
		for _, n := range w.correct {
			kept += len(w.members[n].contacted)
		}
		if want := name == "selective" || name == "shadow"; (kept > 0) != want {
			t.Errorf("%s: %d contacts are kept", name, kept)
		}
	}
}

// TestAttackFilesUseNoSecrets: no attack names what the threat model hides from it: nodes and their samples, inboxes,
// orders, the sent pushes of single nodes, the truth.
func TestAttackFilesUseNoSecrets(t *testing.T) {
	hidden := []string{
		"node", "Sample", "Slots", "slots", "Hashes", "Status", "InUse", "holders", "secret", "truth", "inbox", "acts", "late",
		"graph", "examine", "measure",
	}
	allowed := []string{
		"attack_eclipse_join.go: node", // gives newcomers their seeds
	}
	files, err := filepath.Glob("attack_*.go")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	var used []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if x, ok := n.(*ast.SelectorExpr); ok && slices.Contains(hidden, x.Sel.Name) {
				used = append(used, file+": "+x.Sel.Name)
			}
			return true
		})
	}
	if slices.Sort(used); !slices.Equal(slices.Compact(used), allowed) {
		t.Errorf("attacks use %v, allowed are %v", used, allowed)
	}
}
