package host

import (
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

func TestTheUsersSeedsHaveEverySecondTurn(t *testing.T) {
	for _, c := range []struct{ bootstrap, found, want []peer.ID }{
		{nil, nil, nil},
		{[]peer.ID{"a", "b"}, nil, []peer.ID{"a", "b"}},
		{nil, []peer.ID{"x", "y"}, []peer.ID{"x", "y"}},
		{[]peer.ID{"a"}, []peer.ID{"x", "y", "z"}, []peer.ID{"a", "x", "a", "y", "a", "z"}},
		{[]peer.ID{"a", "b", "c"}, []peer.ID{"x"}, []peer.ID{"a", "x", "b", "x", "c", "x"}},
	} {
		if got := turns(c.bootstrap, c.found); !slices.Equal(got, c.want) {
			t.Errorf("turns(%v, %v)=%v, want %v", c.bootstrap, c.found, got, c.want)
		}
	}
}
