// Package view holds the view V of a Brahms node: a tuple of l1 peer ids, repeats allowed, from which a node draws the
// peers it pushes to and pulls from, and its renewal at the end of each round from pushes, pulls and history.
//
// The view is for gossip only. Faulty peers are two to three times over-represented in it even when everything works
// (docs/paper-map.md); whoever needs a random peer reads the sample (package sampler).
//
// The package is pure: no clock, no network, no goroutine, and no randomness but the *rand.Rand that the caller passes.
// It holds the only functions that draw ids, so that a biased draw has one place to be found in.
package view
