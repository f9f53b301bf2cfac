package attack

import "context"

var _ = register("flood", "every faulty peer pushes to all correct peers in turn, as often as --attack-rate allows; otherwise balanced",
	func(*Adversary) attack { return flood{} })

type flood struct{ balanced }

func (flood) round(context.Context, *faulty, int) {} // op pushes

func (flood) op(f *faulty) func(context.Context) {
	to, raw := f.a.deal(1), f.ownRecord()
	if len(to) == 0 || raw == nil {
		return nil
	}
	return func(ctx context.Context) { f.pushTo(ctx, to[0], raw) }
}
