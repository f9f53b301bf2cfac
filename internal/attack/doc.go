// Package attack runs faulty peers: real libp2p hosts that speak the wire protocol as an attacker would. They attack the
// correct peers of a swarm (internal/swarm) on loopback, and nothing else.
//
// All faulty peers of a run act together (an Adversary). They know the ids and addresses of all peers, which a real
// adversary learns by pulling. A new attack is one file: a type that embeds balanced, the methods that differ, and a call
// of register.
package attack
