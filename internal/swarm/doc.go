// Package swarm runs many real libp2p hosts in one process, each with its own Brahms service, and judges the result:
// whether the peers became one network, sample each other uniformly, and forgot their dead.
//
// The hosts sit on loopback, start in a chain (peer i knows peer i-1 and nobody else) and tick on their own clocks.
// Nothing is simulated: rounds are wall time, and a machine that is too slow shows in Summary.RoundsOnTime.
package swarm
