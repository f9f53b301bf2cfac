package view_test

import (
	"fmt"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
	"github.com/brahms-p2p/brahms-p2p/view"
)

func BenchmarkDraw(b *testing.B) {
	r, ids := stattest.Rand(1), testIDs("p", 40)
	for name, draw := range map[string]drawFunc{"Draw": view.Draw, "Choose": view.Choose} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				draw(r, ids, 16)
			}
		})
	}
}

func BenchmarkFill(b *testing.B) {
	for _, l1 := range []int{40, 256} {
		b.Run(fmt.Sprint(l1), func(b *testing.B) {
			r, s := stattest.Rand(1), view.Split(l1, .40, .30, .30)
			pushed, pulled, history := testIDs("p", s.Push), testIDs("q", s.Pull), testIDs("s", l1)
			b.ReportAllocs()
			for b.Loop() {
				view.Fill(r, s, pushed, pulled, history, nil, nil)
			}
		})
	}
}

func BenchmarkDistinct(b *testing.B) {
	ids := view.Draw(stattest.Rand(1), testIDs("p", 40), 40)
	b.ReportAllocs()
	for b.Loop() {
		view.Distinct(ids)
	}
}

func BenchmarkWithout(b *testing.B) {
	ids := testIDs("p", 40)
	for name, gone := range map[string]peer.ID{"nobody": "x", "one": ids[20]} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				view.Without(ids, func(id peer.ID) bool { return id == gone })
			}
		})
	}
}
