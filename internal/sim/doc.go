// Package sim is the attack laboratory: thousands of protocol.Nodes, the very code that ships, in rounds, under loss,
// churn and adversaries, with everything drawn from one seed. Equal configurations give equal results (Result.Digest) on
// any machine and any number of cores; only the time and the memory differ.
//
// The round is in round.go, what it is made of in world.go. Each attack is one file attack_NAME.go, the words of a
// result are in measure.go and result.go, the baselines that Brahms is compared with in basalt.go and cyclon.go.
package sim
