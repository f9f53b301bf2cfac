// Package limit bounds what other peers may make a service do, before anything of it is read: how often they open streams
// (Rates), how many they hold at once (Places), and anything else that is counted by key (Buckets); each by peer and by
// the prefix of public addresses, since ids are free; and Drip tells who trickles. Packages host and spread use it, and whatever else serves streams
// should.
//
// Nothing here refuses, counts or logs by itself: it says what is over a limit, and its caller does the rest.
package limit
