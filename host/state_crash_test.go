package host

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/sampler"
)

var kills = flag.Int("kills", 40, "how many writers TestKilledWhileWriting kills; make soak says 500")

// writerEnv names to a process of this test binary the directory that it is to write to until it is killed.
const writerEnv = "BRAHMS_TEST_STATE_WRITER"

// digest tells samples apart: who holds which slot by which key.
func digest(s sampler.State) string {
	h := sha256.New()
	for _, x := range s.Slots {
		fmt.Fprintf(h, "%q %d %d\n", x.ID, x.Key, x.Hash)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// tellingStore says when a write has ended.
type tellingStore struct {
	stateStore
	saved chan error
}

func (s tellingStore) save(b []byte) error {
	err := s.stateStore.save(b)
	s.saved <- err
	return err
}

// stateWriter restores the state in dir, goes through rounds in which the sample changes, and for each prints the digest of
// the sample at its end and has the state written. It ends only by an error.
func stateWriter(dir string) int {
	d, err := OpenStateDir(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	saved := make(chan error, 1)
	cfg, err := newConfig([]Option{WithStateDir(d), WithStateInterval(0)})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	cfg.store = tellingStore{cfg.store, saved}
	s, err := newService(writerID, cfg)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s.keeper.start()
	rng := rand.New(rand.NewPCG(rand.Uint64(), 1))
	for {
		node := s.loop.node
		a := node.Tick()
		fmt.Println(digest(node.Export().Sample))
		s.keep(time.Now())
		if err := <-saved; err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		for range 30 {
			node.HandlePush(peerNo(rng.IntN(10_000)))
		}
		for _, id := range append(append(a.Pushes, a.Pulls...), a.Probes...) {
			o := protocol.Alive
			if rng.IntN(5) == 0 {
				o = protocol.Leaving
			}
			node.HandleProbeResult(id, o)
		}
	}
}

const writerID peer.ID = "writer-with-the-length-of-an-id"

// TestKilledWhileWriting: a process that keeps its state is killed with SIGKILL at random instants, one after another on one
// directory. Each time the state can be restored, and it is that of the last round end or of the one before.
func TestKilledWhileWriting(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	seed := uint64(time.Now().UnixNano()) // the instants are random anyway
	rng := rand.New(rand.NewPCG(seed, 0))
	stored, fresh, rounds, unwritten := "", 0, 0, 0
	for i := range *kills {
		writer := exec.Command(os.Args[0])
		writer.Env = append(os.Environ(), writerEnv+"="+dir)
		var complaint bytes.Buffer
		writer.Stderr = &complaint
		out, err := writer.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := writer.Start(); err != nil {
			t.Fatal(err)
		}
		ends := []string{stored} // digests of round ends: first the one that the writer was given
		lines := bufio.NewReader(out)
		var killer *time.Timer
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				break // what has no end was not printed whole
			}
			if killer == nil {
				killer = time.AfterFunc(time.Duration(rng.IntN(30_000))*time.Microsecond, func() { _ = writer.Process.Kill() })
			}
			ends = append(ends, strings.TrimSuffix(line, "\n"))
		}
		_ = writer.Wait()
		if killer == nil || complaint.Len() > 0 {
			t.Fatalf("writer %d ended by itself: %s", i, &complaint)
		}
		killer.Stop()

		d, err := OpenStateDir(dir)
		if err != nil {
			t.Fatalf("after kill %d: %v", i, err)
		}
		snap, err := loadState(dirStore{d}, writerID, "")
		if err != nil {
			t.Fatalf("after kill %d: %v", i, err)
		}
		now := ""
		if snap != nil { // the very first writer may be killed before its first state is there
			now = digest(snap.Node.Sample)
			s := mustRestore(t, writerID, WithStateDir(d))
			if got := digest(s.loop.node.Export().Sample); got != now {
				t.Fatalf("after kill %d: the restored sample is not the stored one", i)
			}
			s.Close()
		}
		last := len(ends) - 1
		switch now {
		case ends[last]:
			fresh++
		case ends[last-1]:
			unwritten++
		default:
			t.Fatalf("after kill %d in round %d: the sample is neither that of the last round end nor of the one before", i, last)
		}
		stored, rounds = now, rounds+last
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills in %d rounds: %d times the state of the last round end, %d times of the one before", *kills, rounds, fresh, unwritten)
	if fresh == 0 {
		t.Error("the last round end was never there: this test cannot tell a writer that works from one that does not")
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) > 3 {
		t.Errorf("%v is left in the directory: %v", left, err)
	}
}

// mustRestore makes a service that does not run.
func mustRestore(t testing.TB, self peer.ID, opts ...Option) *Service {
	t.Helper()
	s, err := tryService(t, self, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tryService(t testing.TB, self peer.ID, opts ...Option) (*Service, error) {
	t.Helper()
	cfg, err := newConfig(opts)
	if err != nil {
		t.Fatal(err)
	}
	return newService(self, cfg)
}

// TestDamagedState: a state that was changed, cut or extended at a random place is an error that names the file, or exactly
// the state of a round end; and it stays as it is.
func TestDamagedState(t *testing.T) {
	const self peer.ID = "self-with-the-length-of-an-id"
	d := openDir(t)
	s := livedService(t, self, WithStateDir(d))
	want := digest(s.loop.node.Export().Sample)
	good := readState(t, d)

	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 200 {
		at := rng.IntN(len(good))
		b := bytes.Clone(good)
		what := [...]string{"flipped", "cut", "extended", "overwritten"}[i%4]
		switch what {
		case "flipped":
			b[at] ^= 1 << rng.IntN(8)
		case "cut":
			b = b[:at]
		case "extended":
			b = append(b, good[at:]...)
		case "overwritten":
			for j := at; j < min(len(b), at+512); j++ { // as a lost sector
				b[j] = 0
			}
		}
		if err := os.WriteFile(d.File(), b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := tryService(t, self, WithStateDir(d))
		switch {
		case err == nil && digest(s.loop.node.Export().Sample) == want && bytes.Equal(b, good):
			s.Close() // nothing was changed after all
		case err == nil:
			t.Fatalf("%s at %d: it was restored", what, at)
		case !errors.Is(err, ErrState) || !strings.Contains(err.Error(), d.File()):
			t.Fatalf("%s at %d: %v", what, at, err)
		}
		if now := readState(t, d); !bytes.Equal(now, b) {
			t.Fatalf("%s at %d: the file was changed", what, at)
		}
	}
}
