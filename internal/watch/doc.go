// Package watch is what the binary serves with --http: health for supervisors, metrics for Prometheus, a snapshot in JSON,
// profiles, and a live page for people. Node watches one service, Swarm a whole swarm.
//
// It is for operators on the machine itself. The server listens on loopback unless told otherwise, answers only to names
// that cannot be rebound to it, lets other sites read and change nothing, and bounds what a client may cost. What it says it
// says to anybody who reaches its port: there is no password.
package watch
