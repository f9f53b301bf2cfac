package machine

// A Colour is one of the two outcomes of an item.
type Colour uint8

const (
	Out Colour = 0 // not in the set
	In  Colour = 1 // in the set
)

// String returns "in" or "out".
func (c Colour) String() string {
	if c == In {
		return "in"
	}
	return "out"
}

// An instance is the Snowball of one item.
type instance struct {
	id   ID
	item Item

	prefer  Colour
	decided bool      // on prefer
	conf    [2]uint32 // polls that had a quorum for the colour since the start or the last fall
	last    Colour    // of the last poll with a quorum
	streak  uint32    // polls in a row with a quorum for last
	idle    uint32    // polls in a row with a quorum for neither
	held    bool      // has once had Hold polls in a row for in
	taken   [2]uint32 // polls in a row in which a quorum said that the item is decided so

	votes tally // of the poll that is counted: scratch
}

// A tally counts the answers of one poll about one item.
type tally struct {
	in         int // answers that list it
	decidedIn  int // answers that list it as decided
	decidedOut int // answers of peers that have closed the epoch without it
}

// count applies one poll: answers is how many peers answered it, quorum the alpha of its size. A poll with fewer answers
// than a quorum says nothing about anybody's preference: it ends streaks and is not counted as idle, or a node without
// an uplink would drop its items.
func (x *instance) count(p Params, answers, quorum int) {
	if x.decided {
		return
	}
	v := x.votes
	x.taken[In] = inARow(x.taken[In], v.decidedIn >= quorum)
	x.taken[Out] = inARow(x.taken[Out], v.decidedOut >= quorum)
	switch {
	case v.in >= quorum:
		x.conclude(p, In)
	case answers-v.in >= quorum:
		x.conclude(p, Out)
	default:
		x.streak = 0
		if answers >= quorum {
			x.linger(p)
		}
	}
	for c, n := range x.taken {
		if !x.decided && int(n) >= p.Adopt {
			x.decided, x.prefer = true, Colour(c)
		}
	}
}

func inARow(n uint32, again bool) uint32 {
	if again {
		return n + 1
	}
	return 0
}

// conclude counts a poll with a quorum for c.
func (x *instance) conclude(p Params, c Colour) {
	x.idle = 0
	if x.streak == 0 || x.last != c {
		x.last, x.streak = c, 0
	}
	x.streak++
	x.conf[c]++
	if x.conf[c] > x.conf[x.prefer] {
		x.prefer = c
	}
	if c == In && int(x.streak) >= p.Hold {
		x.held = true
	}
	if int(x.streak) >= p.Beta {
		x.decided, x.prefer = true, c // what was polled, whatever older polls had said
	}
}

// linger counts a poll in which enough peers answered and neither side had a quorum.
func (x *instance) linger(p Params) {
	x.idle++
	if p.Drift > 0 && int(x.idle) >= p.Drift && x.prefer == In && !x.held {
		x.prefer, x.conf, x.idle = Out, [2]uint32{}, 0
	}
}
