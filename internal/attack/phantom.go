package attack

import "github.com/multiformats/go-multiaddr"

var _ = register("phantom", "pull answers full of validly signed records of invented ids, at addresses where nobody answers; otherwise balanced",
	func(*Adversary) attack { return phantom{} })

// phantom uses that ids are free to make.
type phantom struct{ balanced }

func (phantom) reply(f *faulty) []byte {
	closed := f.a.cfg.Closed
	return f.inventedAnswer(func(n int) multiaddr.Multiaddr { return closed[n%len(closed)] })
}

// inventedAnswer is a pull answer that names invented ids alone; until there are any, faulty ones.
func (f *faulty) inventedAnswer(addr func(n int) multiaddr.Multiaddr) []byte {
	if minted := f.mint(addr); len(minted) > 0 {
		return pullFrame(spread(minted, f.a.cfg.Answer))
	}
	return f.a.faultyAnswer()
}
