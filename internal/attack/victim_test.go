package attack

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestVictim(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var mu sync.Mutex
	now := time.Unix(1000, 0)
	v, err := NewVictim(func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	dial := func(node int, after time.Duration) {
		t.Helper()
		mu.Lock()
		now = now.Add(after)
		mu.Unlock()
		c, err := v.Dialer(node).DialContext(t.Context(), "tcp4", v.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte("/multistream/1.0.0\n"))
		if b, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 400") {
			t.Errorf("the victim said %q, %v", b, err)
		}
		_ = c.Close()
	}
	dial(1, 0)
	dial(2, 0)
	dial(1, 30*time.Second)
	dial(1, 29*time.Second)
	dial(1, time.Second) // 60 s after its first: another minute
	dial(2, time.Minute)
	if got := v.Accepted(); got != 6 {
		t.Errorf("%d connections came, want 6", got)
	}
	for span, want := range map[time.Duration]int{time.Minute: 3, time.Minute + 1: 4, time.Second: 1, time.Second + 1: 2, time.Hour: 4} {
		if got := v.Most(span); got != want {
			t.Errorf("at most %d dials by one in %v, want %d", got, span, want)
		}
	}
	if nodes := v.Nodes(); len(nodes) != 2 || nodes[0] != 1 || nodes[1] != 2 {
		t.Errorf("dialled by %v", nodes)
	}

	// Dials of others are not its own.
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := v.Dialer(3).DialContext(t.Context(), "tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if len(v.Nodes()) != 2 {
		t.Errorf("a dial of another counts: %v", v.Nodes())
	}
}

// TestVictimCloses also ends connections that say nothing.
func TestVictimCloses(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	v, err := NewVictim(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp4", v.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	eventually(t, "the connection came", func() bool { return v.Accepted() == 1 })
	v.Close()
	v.Close()
}

func TestClosedPorts(t *testing.T) {
	addrs, err := ClosedPorts(8)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, a := range addrs {
		seen[a.String()] = true
	}
	if len(seen) != 8 {
		t.Errorf("%d distinct addresses of 8: %v", len(seen), addrs)
	}
}
