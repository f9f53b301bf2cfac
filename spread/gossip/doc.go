// Package gossip decides what a peer does with the messages of /brahms/spread/1.0.0: which are new, which are too old, who
// sends too many, what is passed on and to how many. It is pure: the driver (package spread) gives the time with each call,
// in milliseconds since 1970 by its clock, does the network, and serialises the calls. Equal calls have equal results.
//
// From the driver's side, for each copy of a message that arrives:
//
//	machine.Meet(now, header)               // before its signature is verified: is that worth while?
//	verify the signature
//	machine.Accept(now, header)             // is it delivered, and passed on?
//	pass it on to Targets(picks, Fanout(n)) // picks of the sample, n peers in the network
package gossip
