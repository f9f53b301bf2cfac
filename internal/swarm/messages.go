package swarm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/brahms-p2p/brahms-p2p/spread"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

// Messages is what became of the messages that were spread when the rounds were over. Live peers are the correct ones that
// were up then.
type Messages struct {
	Sent    int `json:"sent"`
	Refused int `json:"refused"` // of those, taken by fewer peers than half of those that their origin asked
	// Coverage is the share of live peers but its origin that got a message, in the mean; CoverageMin is that of the message
	// that reached fewest, and Complete is how many messages reached all.
	Coverage    float64 `json:"coverage"`
	CoverageMin float64 `json:"coverage_min"`
	Complete    int     `json:"complete"`
	// CopiesPerPeer is how many copies of a message a live peer got, in the mean. CopiesTheory is ln n + 7 for all n peers
	// that are up, the faulty included: what each peer has to pass on so that all get it with a probability of .9991.
	CopiesPerPeer float64 `json:"copies_per_peer"`
	CopiesTheory  float64 `json:"copies_theory"`
	// Seconds is how long it took until the last of those that a message reached had it, in the mean.
	Seconds float64 `json:"seconds"`
}

// topic is the topic of all messages.
const topic = "swarm"

// How often it is looked at whether a message has gone as far as it will, and for how long at most. A copy takes ten seconds
// at most.
const (
	messagePoll = 2 * time.Millisecond
	messageWait = time.Minute
)

// listen starts what spreads messages, and listens to them.
func (m *member) listen(cfg Config, i int) (err error) {
	if cfg.Messages == 0 || m.faulty {
		return nil
	}
	if m.spread, err = spread.New(m.host, m.svc); err != nil {
		return fmt.Errorf("swarm: messages of peer %d: %w", i, err)
	}
	if m.sub, err = m.spread.Subscribe(topic); err != nil {
		return fmt.Errorf("swarm: messages of peer %d: %w", i, err)
	}
	return nil
}

// messages spreads the messages, one after the other, and judges what became of them.
func (r *run) messages(ctx context.Context) (*Messages, error) {
	if r.cfg.Messages == 0 {
		return nil, nil
	}
	live := correct(r.live())
	faulty := len(r.live()) - len(live)
	out := &Messages{CoverageMin: 1, CopiesTheory: round3(math.Log(float64(len(live)+faulty)) + 7)}
	copies := -copiesOf(live)
	var reached int
	var took time.Duration
	for i := range r.cfg.Messages {
		n, t, err := r.message(ctx, live, i, out)
		if err != nil {
			return nil, err
		}
		reached, took = reached+n, took+t
		if n == len(live)-1 {
			out.Complete++
		}
		out.CoverageMin = min(out.CoverageMin, ratio(n, len(live)-1))
	}
	copies += copiesOf(live)
	out.Coverage = ratio(reached, out.Sent*(len(live)-1))
	out.CopiesPerPeer = round3(ratio(copies, out.Sent*len(live)))
	out.Seconds = round3(took.Seconds() / float64(out.Sent))
	return out, nil
}

// message spreads one message and returns how many of live but its origin it reached, and how long that took.
func (r *run) message(ctx context.Context, live []*member, i int, out *Messages) (reached int, took time.Duration, err error) {
	start := time.Now()
	origin := live[r.rng.IntN(len(live))]
	report, err := origin.spread.Spread(ctx, topic, fmt.Appendf(nil, "message %d", i))
	switch {
	case errors.Is(err, spread.ErrFewTook):
		out.Refused++
	case err != nil && !errors.Is(err, spread.ErrNoPeers):
		return 0, 0, fmt.Errorf("swarm: message %d: %w", i, err)
	case err != nil:
		out.Refused++
	}
	out.Sent++
	tick := time.NewTicker(messagePoll)
	defer tick.Stop()
	for idle := 0; idle < 2; { // twice, and no copy in between: what one has passed on the other may not have shown yet
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		}
		before := copiesOf(live)
		if n := arrivals(live, origin, report.ID); n > 0 {
			reached, took = reached+n, time.Since(start)
		}
		switch {
		case pending(live) == 0 && copiesOf(live) == before:
			idle++
		case time.Since(start) > messageWait:
			return reached, took, nil
		default:
			idle = 0
		}
	}
	return reached + arrivals(live, origin, report.ID), took, nil
}

// arrivals takes what the subscribers have got, and returns how many but the origin have got the message of that id.
func arrivals(live []*member, origin *member, id message.Hash) (n int) {
	for _, m := range live {
		for more := true; more; {
			select {
			case got := <-m.sub.Messages():
				if got.ID == id && m != origin {
					n++
				}
			default:
				more = false
			}
		}
	}
	return n
}

// pending is how many copies wait to be passed on or are under way.
func pending(live []*member) (n int) {
	for _, m := range live {
		n += m.spread.Status().Pending
	}
	return n
}

// copiesOf is how many copies have arrived.
func copiesOf(live []*member) (n int) {
	for _, m := range live {
		n += int(m.spread.Status().Copies)
	}
	return n
}
