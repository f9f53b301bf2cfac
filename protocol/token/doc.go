// Package token puts a price on a push: the receiver asks for a proof of work that is bound to the two peers, to the
// network and to a secret of the receiver's round. It is pure: secrets come from the caller, epochs are counted and not
// timed, and a search does as many attempts as it is told to.
//
// The receiver has an Issuer, the sender makes a Search of a challenge that passed Check:
//
//	issuer.Open(secret)                       // each round of the receiver
//	challenge, ok := issuer.Challenge(sender) // answers a hello
//	err := token.Check(challenge, bits)       // the sender: is this worth my work?
//	search := token.NewSearch(proof, 0)
//	for !search.Run(4096) { ... }             // off the loop, within a budget
//	err = issuer.Take(sender, search.Token()) // the receiver: nil once per sender and epoch
//
// What a token is made of is in spec/brahms.md (Push tokens), why it is SHA-256 in docs/threat-model.md.
package token
