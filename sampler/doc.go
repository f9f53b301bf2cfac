// Package sampler holds the sample S of a Brahms node: l2 min-wise samplers, each of which keeps the id with the least
// keyed hash of all ids that it was ever fed. Since the hash is a secret random function of the node, each slot ends on
// a uniform choice of those ids, however often or seldom an id was repeated in the stream: that is what makes the sample
// uniform where the view is biased (paper, section on the sampling component).
//
// [Group] adds what an open network needs and the paper leaves out; each rule stops a failure that was simulated, and
// each is a row of docs/paper-map.md:
//
//   - An id that would win a slot becomes its challenger, and takes the slot only after it answered a probe.
//   - Death clears a slot's value and keeps its key.
//   - A slot counts only when it is mature: fed for a number of rounds since it was last cleared.
//   - A filter by generation skips ids that every slot has already decided on.
//
// The package is pure: no clock, no network, no goroutine, no randomness but what its caller passes.
package sampler
