package page

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// swarmState is what the test looks at of /debug/brahms of a swarm.
type swarmState struct {
	Round, Live, Faulty, Dead, Components int
	Peers                                 []struct {
		ID           string
		Faulty, Dead bool
		Sample       []int
	}
	Bins []struct{ Peers int }
}

// shownSwarm is what the page makes of it.
type shownSwarm struct {
	State   swarmState
	InSamp  []int
	InView  []int
	Text    map[string]string
	Circles []string
	Rows    [][]string
	Kills   []int
	Bars    int
	Degrees []string
	Painted bool
}

const readSwarm = `{
	State: current, InSamp: current.peers.map((p) => p.in_sample), InView: current.peers.map((p) => p.in_view),
	Text: Object.fromEntries(['live', 'live-note', 'components', 'attack', 'found'].map((id) => [id, document.getElementById(id).textContent])),
	Circles: [...document.querySelectorAll('#graph circle')].map((c) => c.getAttribute('class').split(' ')[0]),
	Rows: [...document.querySelectorAll('#rows tr')].map((r) => [...r.children].map((c) => c.textContent)),
	Kills: [...document.querySelectorAll('#rows [data-kill]')].map((b) => +b.dataset.kill),
	Bars: document.querySelectorAll('#uniform rect').length,
	Degrees: [...document.querySelectorAll('#degrees rect')].slice(1).map((r) => r.getAttribute('fill')),
	Painted: (() => {
		const canvas = document.getElementById('canvas'), blank = document.createElement('canvas');
		blank.width = blank.height = canvas.width;
		return canvas.width > 100 && canvas.toDataURL() !== blank.toDataURL();
	})(),
}`

// compareSwarm checks that the page says what the JSON says.
func (b *tab) compareSwarm() shownSwarm {
	b.t.Helper()
	p := ask[shownSwarm](b, readSwarm)
	s := p.State
	for id, want := range map[string]string{
		"live": fmt.Sprint(s.Live), "live-note": fmt.Sprintf("%d faulty, %d dead", s.Faulty, s.Dead), "components": fmt.Sprint(s.Components),
		"attack": "attack: balanced", "found": fmt.Sprintf("%d peers", len(s.Peers)),
	} {
		if p.Text[id] != want {
			b.t.Errorf("the page says %s %q, the JSON %q", id, p.Text[id], want)
		}
	}
	if len(p.Circles) != len(s.Peers) || len(p.Rows) != len(s.Peers) || p.Bars != len(s.Bins) || !p.Painted {
		b.t.Fatalf("%d circles, %d rows and %d bars, edges painted: %v; for %d peers and %d bins", len(p.Circles), len(p.Rows), p.Bars, p.Painted, len(s.Peers), len(s.Bins))
	}
	inSample := make([]int, len(s.Peers))
	killable, degree := 0, 0
	for i, m := range s.Peers {
		for _, j := range m.Sample {
			if j >= 0 && j != i {
				inSample[j]++
			}
		}
		colour, bar := "correct", "var(--sample)"
		switch {
		case m.Dead:
			colour = "gone"
		case m.Faulty:
			colour, bar = "faulty", "var(--bad)"
		default:
			killable++
		}
		if p.Circles[i] != colour {
			b.t.Errorf("peer %d, faulty %v, dead %v, is drawn as %s", i, m.Faulty, m.Dead, p.Circles[i])
		}
		if !m.Dead {
			if degree < len(p.Degrees) && p.Degrees[degree] != bar {
				b.t.Errorf("the bar of peer %d is %s, want %s", i, p.Degrees[degree], bar)
			}
			degree++
		}
		row := p.Rows[i]
		if row[0] != fmt.Sprint(i) || row[3] != fmt.Sprint(p.InSamp[i]) || row[4] != fmt.Sprint(p.InView[i]) ||
			strings.HasPrefix(row[2], "dead") != m.Dead || strings.HasPrefix(row[2], "faulty") != (m.Faulty && !m.Dead) {
			b.t.Errorf("row %d is %q, the peer %+v, %d times in samples", i, row, m.ID, p.InSamp[i])
		}
	}
	if len(p.Kills) != killable || degree != len(p.Degrees) {
		b.t.Errorf("%d buttons for %d peers that can be killed, %d bars for %d that live", len(p.Kills), killable, len(p.Degrees), degree)
	}
	for i := range inSample {
		if inSample[i] != p.InSamp[i] {
			b.t.Errorf("peer %d is %d times in samples, its figure is %d", i, inSample[i], p.InSamp[i])
		}
	}
	return p
}

// choosesByKey chooses a peer in the table with the keyboard, and lets it go again. What the edges show is said in words.
func (b *tab) choosesByKey(number int) {
	b.t.Helper()
	b.do(chromedp.Focus(chromedp.CSS(fmt.Sprintf(`#rows [data-choose="%d"]`, number))), chromedp.KeyEvent(kb.Enter))
	got := ask[struct {
		Says, On, Pressed, Holds string
	}](b, fmt.Sprintf(`{
		Says: document.getElementById('chosen').textContent,
		On: document.querySelector('#graph circle.on').dataset.number,
		Pressed: [...document.querySelectorAll('#rows [aria-pressed=true]')].map((x) => x.dataset.choose).join(),
		Holds: [...new Set(current.peers[%d].sample)].filter((j) => j >= 0).sort((x, y) => x - y).join(', '),
	}`, number))
	if me := fmt.Sprint(number); !strings.HasPrefix(got.Says, "Peer "+me+" (") || got.On != me || got.Pressed != me ||
		got.Holds == "" || !strings.Contains(got.Says, " in its sample ("+got.Holds+"), and ") {
		b.t.Errorf("of peer %d, chosen by key, it says %+v", number, got)
	}
	b.do(chromedp.KeyEvent(kb.Enter))
	if left := ask[int](b, "document.querySelectorAll('#graph circle.on, #rows [aria-pressed=true]').length"); left != 0 || b.text("chosen") != "" {
		b.t.Errorf("%d are chosen after a second Enter, it says %q", left, b.text("chosen"))
	}
}

func TestSwarm(t *testing.T) {
	url := start(t, []string{`can be seen at (\S+)$`}, "swarm", "--peers", "24", "--faulty", "0.25", "--attack", "balanced", "--interval", "500ms",
		"--rounds", "100000", "--http", "0")[0]
	eventually(t, "all peers are up and sampled", func() bool {
		var s swarmState
		return get(t, url+"debug/brahms", &s) == 200 && s.Components == 1 && len(s.Bins) > 1 && s.Round > 8
	})
	b := open(t, url)
	b.on(false)
	b.await("current && current.bins.length > 1")
	p := b.compareSwarm()
	if p.State.Live != 18 || p.State.Faulty != 6 || p.State.Dead != 0 {
		t.Fatalf("%d live, %d faulty, %d dead", p.State.Live, p.State.Faulty, p.State.Dead)
	}
	b.readable()
	b.screenshot("swarm-desktop.png")

	// A click on a peer shows it, a click on the button kills it.
	first, second := p.Kills[0], p.Kills[5]
	b.run(fmt.Sprintf("document.querySelector('#graph circle[data-number=\"%d\"]').dispatchEvent(new MouseEvent('click'))", first))
	if got := b.text("chosen"); !strings.HasPrefix(got, fmt.Sprintf("Peer %d (", first)) || !strings.Contains(got, "peers in its sample") {
		t.Errorf("of the chosen peer it says %q", got)
	}
	b.choosesByKey(p.Kills[1])
	b.do(chromedp.Click(chromedp.CSS(fmt.Sprintf(`#rows [data-kill="%d"]`, first))))
	b.await("current.dead === 1")
	if got := b.text("said"); !strings.HasPrefix(got, fmt.Sprintf("Peer %d was killed", first)) {
		t.Errorf("after the kill it says %q", got)
	}
	// And so does the Enter key.
	b.do(chromedp.Focus(chromedp.CSS(fmt.Sprintf(`#rows [data-kill="%d"]`, second))), chromedp.KeyEvent(kb.Enter))
	b.await("current.dead === 2")
	b.run("choose(-1)") // or only the edges of a dead one are there
	dead := b.compareSwarm()
	if !dead.State.Peers[first].Dead || !dead.State.Peers[second].Dead {
		t.Errorf("peers %d and %d do not stand as dead", first, second)
	}
	var s swarmState
	if get(t, url+"debug/brahms", &s); s.Dead != 2 || s.Live != 16 {
		t.Errorf("the server says %d dead and %d live", s.Dead, s.Live)
	}
	b.screenshot("swarm-killed-desktop.png")
	b.accessible("swarm")
	b.await("current.dead_in_samples === 0") // the others forget them
	b.on(true)
	b.await("document.getElementById('canvas').clientWidth < 400")
	b.run("draw(current)")
	b.compareSwarm()
	b.screenshot("swarm-phone.png")
	b.legible("#uniform text")
	b.dark(true)
	b.accessible("swarm, on a phone, dark")
}
