// Package protocol is the Brahms node: one participant's state machine, which the libp2p service (package host) and the
// simulator drive alike. It is pure: no clock, no network, no goroutine, no lock, and no randomness but the *rand.Rand
// given to New, so equal inputs give equal outputs and a failure replays from its seed.
//
// A round, from the driver's side:
//
//	actions := node.Tick()              // closes the round, opens the next, says what to do in it
//	push self to each of actions.Pushes
//	pull from each of actions.Pulls     // node.HandlePullReply
//	probe each of actions.Probes
//	whatever came of each of the three  // node.HandleProbeResult
//	meanwhile, for each push received   // node.HandlePush
//
// A pull request changes nothing in the node: the driver answers it from the view that it published at the last Tick.
// The node moves ids only; where an id can be reached is the driver's business.
//
// What happens to the state is Tick, in node.go, top to bottom. docs/paper-map.md maps each line of the paper's algorithm
// to its function, its test and its deviations (marked D1, D2, ... where they happen).
package protocol

// The protocol ids of the three exchanges. A network of its own prepends a prefix: "/myapp" makes "/myapp/brahms/1.0.0/push".
const (
	ID      = "/brahms/1.0.0"
	PushID  = ID + "/push"
	PullID  = ID + "/pull"
	ProbeID = ID + "/probe"
)
