package attack

import "github.com/multiformats/go-multiaddr"

// DialCannon is the attack that a Victim is for.
const DialCannon = "dial-cannon"

var _ = register(DialCannon, "pull answers full of validly signed records of invented ids, all at the address of a victim that does not speak the protocol; faulty peers claim that address too; otherwise balanced",
	func(*Adversary) attack { return dialCannon{} })

// dialCannon lets correct peers dial somebody else.
type dialCannon struct{ balanced }

func (dialCannon) reply(f *faulty) []byte {
	return f.inventedAnswer(func(int) multiaddr.Multiaddr { return f.a.cfg.Victim })
}
