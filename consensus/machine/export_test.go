package machine

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

func TestRestoredMachineIsTheSame(t *testing.T) {
	r := newRig(t, small())
	r.pastWindow(apple, pear)
	r.round(in(apple), in(apple), in(apple), in())
	r.round(in(apple), in(apple), in(apple), in())
	r.tick()
	data := r.m.Export()
	m, err := Restore(small(), testRand(1), data)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.Status(), r.m.Status(); !reflect.DeepEqual(got, want) {
		t.Fatalf("restored %+v, was %+v", got, want)
	}
	was, _ := r.m.Answer(7)
	if is, ok := m.Answer(7); !ok || !reflect.DeepEqual(is, was) {
		t.Fatalf("restored answers %+v, was %+v", is, was)
	}
	back := &rig{TB: t, m: m, now: 7, age: r.age}
	times(1, func() { back.round(in(apple), in(apple), in(apple), in()) })
	back.tick()
	back.want(apple, In, true) // the third in a row
	back.want(pear, Out, true)

	// The negative control: without its state the node takes itself for a newcomer and says nothing.
	fresh := newRig(t, small())
	fresh.age = r.age
	fresh.tick()
	if _, ok := fresh.m.Answer(7); ok {
		t.Fatal("a node without state answers")
	}
}

func TestDamagedStatesAreRefused(t *testing.T) {
	r := newRig(t, small())
	r.pastWindow(apple, pear)
	data := r.m.Export()
	if len(data) > MaxState {
		t.Fatalf("%d bytes", len(data))
	}
	for n := range data {
		if _, err := Restore(small(), testRand(1), data[:n]); !errors.Is(err, ErrState) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	if _, err := Restore(small(), testRand(1), append(bytes.Clone(data), 0)); !errors.Is(err, ErrState) {
		t.Fatalf("a byte more: %v", err)
	}
	if _, err := Restore(small(), testRand(1), append([]byte{stateVersion + 1}, data[1:]...)); !errors.Is(err, ErrState) {
		t.Fatalf("another version: %v", err)
	}
}

// States that differ in the age of the clock alone are the same; whatever else differs counts, and no bytes panic.
func TestSameExport(t *testing.T) {
	at := func(epoch, age uint64, items ...Item) []byte {
		r := newRig(t, small())
		r.now, r.age = epoch, 0
		r.tick()
		for _, it := range items {
			if err := r.m.Propose(it); err != nil {
				t.Fatal(err)
			}
		}
		r.m.Tick(Clock{Epoch: epoch, Age: age})
		return r.m.Export()
	}
	base := at(7, 0)
	for name, c := range map[string]struct {
		other []byte
		same  bool
	}{
		"itself": {at(7, 0), true}, "older": {at(7, 1), true}, "the window is over": {at(7, 2), false}, "another epoch": {at(8, 0), false},
		"an item": {at(7, 0, apple), false}, "cut": {base[:len(base)-1], false}, "none": {nil, false},
	} {
		if SameExport(base, c.other) != c.same || SameExport(c.other, base) != c.same {
			t.Errorf("%s: want %v", name, c.same)
		}
	}
	if !SameExport(at(7, 3), at(7, 1<<40)) {
		t.Error("an age that takes more bytes counts")
	}
	for n := range base {
		SameExport(base[:n], base)
	}
}

func FuzzRestore(f *testing.F) {
	r := newRig(f, small())
	r.pastWindow(apple, pear)
	f.Add(r.m.Export())
	times(3, func() { r.round(in(apple), in(apple), in(apple), in()) })
	r.tick()
	f.Add(r.m.Export())
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Restore(small(), testRand(1), data)
		if err != nil {
			return
		}
		if !bytes.Equal(m.Export(), data) {
			t.Fatal("a state in another form than Export writes it")
		}
		back := &rig{TB: t, m: m, now: m.clock.Epoch, age: m.clock.Age}
		for range 5 {
			for _, p := range back.tick().Polls {
				if _, err := m.Ask(p.Epoch, four); err != nil {
					t.Fatal(err)
				}
				for _, id := range four {
					a := *in(apple)
					a.Epoch = p.Epoch
					if err := m.HandleAnswer(id, p.Nonce, a); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	})
}

// States that are well formed and that no machine can be in.
func TestUnsoundStatesAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Machine){
		"closed and undecided":     func(m *Machine) { m.epochs[0].closed = true },
		"items out of order":       func(m *Machine) { e := m.epochs[0]; e.items[0], e.items[1] = e.items[1], e.items[0] },
		"an item twice":            func(m *Machine) { e := m.epochs[0]; e.items[1] = e.items[0] },
		"epoch after the clock":    func(m *Machine) { m.clock.Epoch-- },
		"epoch long over":          func(m *Machine) { m.clock.Epoch += Epochs },
		"clock in another epoch":   func(m *Machine) { m.clock.Epoch++ },
		"an epoch twice":           func(m *Machine) { m.epochs = append(m.epochs, m.epochs[0]) },
		"epochs before the first":  func(m *Machine) { m.began = false },
		"begun without any epochs": func(m *Machine) { m.epochs = nil },
	} {
		r := newRig(t, small())
		r.pastWindow(apple, pear)
		if _, err := Restore(small(), testRand(1), r.m.Export()); err != nil {
			t.Fatal(err)
		}
		change(r.m)
		if _, err := Restore(small(), testRand(1), r.m.Export()); !errors.Is(err, ErrState) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
