package sampler

import "slices"

// Resize changes the number of slots, and how many of them are diverse, between two rounds. Slots that stay keep their
// ids, keys and ages. New ones begin empty, at positions that no slot has, and are fed what the stream brings from then
// on: they are younger than what the filter remembers. Of each kind those that came last go, whatever they hold: to
// choose them by what became of them would leave a sample and an estimate that are biased by the choice.
//
// It fails as Config.Validate does, and changes nothing then.
func (g *Group) Resize(l2, diverse int) error {
	cfg := g.cfg
	cfg.L2, cfg.Diverse = l2, diverse
	if err := cfg.Validate(); err != nil {
		return err
	}
	g.cfg = cfg
	diverse = cfg.diverse()
	g.drop(l2-diverse, diverse)
	g.add(l2-diverse-(len(g.slots)-g.diverse), diverse-g.diverse)
	g.at = slices.Grow(g.at[:0], l2)[:l2]
	g.wide = slices.Grow(g.wide[:0], l2)[:l2]
	g.bars = slices.Grow(g.bars[:0], l2)[:l2]
	g.sums = slices.Grow(g.sums[:0], l2)[:l2]
	g.line()
	return nil
}

// drop leaves at most so many plain and diverse slots.
func (g *Group) drop(plain, diverse int) {
	plain, diverse = len(g.slots)-g.diverse-plain, g.diverse-diverse // those that go
	place := make([]int, len(g.slots))
	for i := len(g.slots) - 1; i >= 0; i-- {
		excess := &plain
		if g.slots[i].diverse {
			excess = &diverse
		}
		if *excess > 0 {
			*excess--
			place[i] = -1
		}
	}
	kept := 0
	for i := range g.slots {
		s := &g.slots[i]
		if place[i] < 0 {
			g.release(s.id)
			if s.diverse {
				g.diverse--
			}
			continue
		}
		place[i] = kept
		g.slots[kept] = *s
		kept++
	}
	if kept == len(g.slots) {
		return
	}
	clear(g.slots[kept:])
	g.slots, g.members = g.slots[:kept], nil
	order := g.byBorn[:0]
	for _, i := range g.byBorn {
		if place[i] >= 0 {
			order = append(order, place[i])
		}
	}
	g.byBorn = order
	if !g.cfg.Rekey { // positions are used again, so they stay within one page of the hash
		g.next = 0
		for i := range g.slots {
			g.next = max(g.next, g.slots[i].position+1)
		}
	}
}

// add appends so many empty slots, none where that is not positive.
func (g *Group) add(plain, diverse int) {
	if plain <= 0 && diverse <= 0 {
		return
	}
	g.generation++
	for range max(0, diverse) {
		g.append(true)
		g.diverse++
	}
	for range max(0, plain) {
		g.append(false)
	}
}

func (g *Group) append(diverse bool) {
	g.byBorn = append(g.byBorn, len(g.slots))
	g.slots = append(g.slots, slot{born: g.generation, position: g.next, diverse: diverse})
	g.next++
}
