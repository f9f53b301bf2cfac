package page

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// nodeState is what the test looks at of /debug/brahms.
type nodeState struct {
	ID      string
	Round   uint64
	Outcome string
	Ready   bool
	View    struct{ Slots, Filled, Distinct int }
	Sample  struct{ Slots, Filled, Distinct, Mature int }
	Peers   []struct {
		ID           string
		View, Sample int
		Network      string
		Prefix       string
	}
	Networks []struct {
		Name                string
		Peers, View, Sample int
	}
	Pushes  struct{ Counted, Dropped, Threshold int }
	Refused []struct {
		Reason string
		Count  int
	}
	Suspects int
	History  []struct{ Round uint64 }
}

// shown is what the page makes of it: both are read at one moment.
type shown struct {
	State nodeState
	Text  map[string]string
	Rows  []struct {
		ID    string
		Cells []string
	}
	Networks                    []string
	Reasons                     []string
	SampleCells, ViewCells      int
	SampleEmpty, ViewEmpty      int
	PushPath                    string
	PushLabel, Title, Readiness string
}

const readNode = `{
	State: current,
	Text: Object.fromEntries(['id', 'round', 'outcome', 'ready', 'sample-distinct', 'sample-note', 'view-distinct', 'view-note', 'size', 'size-note', 'pushes', 'pushes-note', 'suspects', 'found']
		.map((id) => [id, document.getElementById(id).textContent])),
	Rows: [...document.querySelectorAll('#rows tr')].map((r) => ({ID: r.dataset.id, Cells: [...r.children].map((c) => c.textContent)})),
	Networks: [...document.querySelectorAll('#map li')].map((l) => l.dataset.network + ': ' + l.querySelector('small').textContent),
	Reasons: [...document.querySelectorAll('#refused tbody tr')].map((r) => r.dataset.reason + ' ' + r.lastChild.textContent),
	SampleCells: document.querySelectorAll('#sample-slots i').length, SampleEmpty: document.querySelectorAll('#sample-slots i.none').length,
	ViewCells: document.querySelectorAll('#view-slots i').length, ViewEmpty: document.querySelectorAll('#view-slots i.none').length,
	PushPath: document.querySelectorAll('#push-chart path')[1].getAttribute('d'),
	PushLabel: document.querySelector('#push-chart svg').getAttribute('aria-label'),
	Title: document.title, Readiness: document.getElementById('ready').className,
}`

// compare checks that the page says what the JSON says.
func (b *tab) compare() shown {
	b.t.Helper()
	p := ask[shown](b, readNode)
	s := p.State
	ready := map[bool]string{true: "ready", false: "not ready"}[s.Ready]
	for id, want := range map[string]string{
		"id": s.ID, "round": fmt.Sprint(s.Round), "outcome": s.Outcome, "ready": ready,
		"sample-distinct": fmt.Sprint(s.Sample.Distinct), "view-distinct": fmt.Sprint(s.View.Distinct),
		"sample-note": fmt.Sprintf("%d of %d slots, %d mature", s.Sample.Filled, s.Sample.Slots, s.Sample.Mature),
		"view-note":   fmt.Sprintf("%d of %d slots", s.View.Filled, s.View.Slots),
		"pushes":      fmt.Sprint(s.Pushes.Counted + s.Pushes.Dropped), "suspects": fmt.Sprint(s.Suspects),
	} {
		if p.Text[id] != want {
			b.t.Errorf("the page says %s %q, the JSON %q", id, p.Text[id], want)
		}
	}
	if want := fmt.Sprintf("threshold %d", s.Pushes.Threshold); !strings.HasPrefix(p.Text["pushes-note"], want) {
		b.t.Errorf("of the threshold it says %q, want %q", p.Text["pushes-note"], want)
	}
	if len(p.Rows) != len(s.Peers) || !strings.HasPrefix(p.Text["found"], fmt.Sprint(len(s.Peers))+" peer") {
		b.t.Fatalf("%d rows and %q for %d peers", len(p.Rows), p.Text["found"], len(s.Peers))
	}
	for i, r := range p.Rows {
		want := s.Peers[i]
		where := want.Prefix
		if where == "" {
			where = want.Network
		}
		if r.ID != want.ID || r.Cells[1] != fmt.Sprint(want.Sample) || r.Cells[2] != fmt.Sprint(want.View) || r.Cells[4] != where {
			b.t.Errorf("row %d is %+v, the peer %+v", i, r, want)
		}
	}
	if len(p.Networks) != len(s.Networks) {
		b.t.Errorf("networks %q for %+v", p.Networks, s.Networks)
	}
	for i, n := range p.Networks {
		w := s.Networks[i]
		if !strings.HasPrefix(n, w.Name+": "+fmt.Sprint(w.Peers)+" peer") || !strings.Contains(n, fmt.Sprintf(": %d in the sample, %d in the view", w.Sample, w.View)) {
			b.t.Errorf("network %q for %+v", n, w)
		}
	}
	if len(p.Reasons) != len(s.Refused) {
		b.t.Errorf("reasons %q for %+v", p.Reasons, s.Refused)
	}
	for i, r := range p.Reasons {
		if strings.ReplaceAll(r, ",", "") != fmt.Sprintf("%s %d", s.Refused[i].Reason, s.Refused[i].Count) {
			b.t.Errorf("reason %q for %+v", r, s.Refused[i])
		}
	}
	if p.SampleCells != s.Sample.Slots || p.SampleCells-p.SampleEmpty != s.Sample.Filled || p.ViewCells-p.ViewEmpty != s.View.Filled {
		b.t.Errorf("%d cells, %d empty, for %+v; %d, %d for %+v", p.SampleCells, p.SampleEmpty, s.Sample, p.ViewCells, p.ViewEmpty, s.View)
	}
	if got := strings.Count(p.PushPath, "L") + 1; got != len(s.History) {
		b.t.Errorf("%d points of pushes for %d rounds", got, len(s.History))
	}
	if want := fmt.Sprintf("%d pushes in round %d, threshold %d;", s.Pushes.Counted+s.Pushes.Dropped, s.Round, s.Pushes.Threshold); !strings.HasPrefix(p.PushLabel, want) {
		b.t.Errorf("the chart is called %q, want %q", p.PushLabel, want)
	}
	return p
}

func TestNode(t *testing.T) {
	common := []string{"run", "--allow-private", "--interval", "400ms", "--listen", "/ip4/127.0.0.1/tcp/0"}
	found := start(t, []string{`^address +(\S+)$`, `^page +(\S+)$`}, append(common, "--http", "0")...)
	addr, url := found[0], found[1]
	for range 4 {
		start(t, nil, append(common, "--bootstrap", addr)...)
	}
	eventually(t, "the peer is ready and knows four others", func() bool {
		var s nodeState
		return fetchState(t, url, &s) && s.Ready && s.Sample.Distinct == 4
	})
	b := open(t, url)
	b.on(false)
	b.await("current && current.sample.distinct === 4 && current.view.distinct > 1")
	first := b.compare()

	// It is live: the page follows the rounds by itself, and shows what the server says.
	b.await(fmt.Sprintf("current.round >= %d", first.State.Round+3))
	var now nodeState
	eventually(t, "page and server are in one round", func() bool {
		before := ask[uint64](b, "current.round")
		return fetchState(t, url, &now) && now.Round == before
	})
	if p := b.compare(); p.State.ID != now.ID || p.State.ID != first.State.ID {
		t.Errorf("the page is of %s, the server of %s", p.State.ID, now.ID)
	}
	b.readable()
	b.screenshot("node-desktop.png")

	// With the keyboard alone: the way past the figures, a pause, the filter.
	b.run("document.activeElement.blur()")
	b.do(chromedp.KeyEvent(kb.Tab))
	if got := ask[string](b, "document.activeElement.className"); got != "skip" {
		t.Errorf("the first stop of the Tab key is %q", got)
	}
	b.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	if got := ask[string](b, "document.getElementById('pause').getAttribute('aria-pressed')"); got != "true" {
		t.Fatalf("Enter on the second stop does not pause: aria-pressed is %q", got)
	}
	still := ask[uint64](b, "current.round")
	eventually(t, "the server goes on", func() bool { return fetchState(t, url, &now) && now.Round > still+4 })
	if got := ask[uint64](b, "current.round"); got > still+1 { // one answer may have been under way
		t.Errorf("paused at round %d, the page is at %d", still, got)
	}
	b.do(chromedp.KeyEvent(kb.Enter))
	b.await(fmt.Sprintf("current.round > %d", still+4))
	one := ask[string](b, "current.peers[1].id")
	b.do(chromedp.SendKeys(chromedp.CSS("#find"), one))
	b.await("document.querySelectorAll('#rows tr').length === 1")
	if got := ask[string](b, "document.querySelector('#rows tr').dataset.id"); got != one {
		t.Errorf("the filter leaves %s, want %s", got, one)
	}
	b.run("document.getElementById('find').value = ''; rows(current)")

	b.on(true)
	b.legible("#push-chart text")
	b.compare()
	b.screenshot("node-phone.png")
	b.accessible("on a phone")
}

func fetchState(t *testing.T, url string, to *nodeState) bool {
	t.Helper()
	*to = nodeState{}
	return get(t, url+"debug/brahms", to) == 200
}

// TestNodeUnderAttack shows a state of which every text is hostile and every part is full: no text becomes markup, and all
// of it can be read on a phone.
func TestNodeUnderAttack(t *testing.T) {
	found := start(t, []string{`^page +(\S+)$`}, "run", "--allow-private", "--interval", "1s", "--listen", "/ip4/127.0.0.1/tcp/0", "--http", "0")
	state := attacked()
	body, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	intercept := func(b *tab) {
		paused := chromedp.Events(b.ctx, fetch.RequestPaused)
		go func() {
			for e, err := range paused {
				if err != nil {
					return // the tab is closed
				}
				_, _ = chromedp.Call(b.ctx, fetch.FulfillRequest, fetch.FulfillRequestParams{
					RequestID: e.RequestID, ResponseCode: 200, Body: body,
					ResponseHeaders: []*fetch.HeaderEntry{{Name: "Content-Type", Value: "application/json"}},
				})
			}
		}()
		call(b, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: "*/debug/brahms"}}})
	}
	b := open(t, found[0], intercept)
	b.on(false)
	b.await("current")
	b.compare()
	if got := ask[int](b, "document.querySelectorAll('img, #health script, #map script, #rows script, [onerror]').length"); got != 0 || ask[bool](b, "window.hacked === true") {
		t.Errorf("%d elements came out of the text", got)
	}
	for id, want := range map[string]string{
		"size": "812", "size-note": "501 to 1,123 (95%)", "size-words": "About 812 peers, 501 to 1,123 with 95%. Who runs many ids counts as many.",
		"suspicion-words": "4 peers are suspect after round 120, 4 at most; 0 peers died in the 120 rounds shown.",
		"pushes-note":     "threshold 16: overloaded", "suspects-note": "so many that the fault may be ours",
	} {
		if got := b.text(id); got != want {
			t.Errorf("%s is %q, want %q", id, got, want)
		}
	}
	if got := b.text("health"); !strings.Contains(got, "<img src=x onerror=hacked=true>") {
		t.Errorf("the health says %q", got)
	}
	if n := strings.Count(ask[string](b, "document.querySelector('#size-chart path').getAttribute('d')"), "L"); n != 2*90-1 {
		t.Errorf("the error band has %d points, want twice 90", n+1)
	}
	b.readable()
	b.screenshot("node-attack-desktop.png")
	b.accessible("under attack")
	b.on(true)
	b.dark(true)
	b.compare()
	b.screenshot("node-attack-phone-dark.png")
	b.accessible("under attack, on a phone, dark")
	b.faultsAreFound()
}

// attacked is an answer of /debug/brahms, in which texts are hostile.
func attacked() map[string]any {
	const evil = `"><img src=x onerror=hacked=true><script>hacked=true</script>`
	var peers, networks, history, changes []any
	sample, view := 0, 0
	nets := []string{"51.15.0.0/16", "2a01:4f8::/32", "10.7.0.0/16", "203.0.0.0/16", "unknown", evil}
	counts := make([][4]int, len(nets))
	for i := range 60 {
		p := map[string]any{
			"id": fmt.Sprintf("12D3KooW%044d", i), "view": 0, "sample": 0, "mature": 0, "diverse": 0, "suspect": i%9 == 4, "proven": i%3 > 0, "waiting": false,
			"view_since": 0, "sample_since": 0, "located": true, "addrs": []string{"/ip4/51.15.3.4/tcp/4001"},
		}
		n := min(i%11, len(nets)-1)
		p["network"], p["prefix"] = nets[n], ""
		if n == 0 {
			p["prefix"] = "51.15.3.0/24"
		}
		counts[n][0]++
		if i < 32 {
			p["sample"], p["mature"], p["sample_since"] = 1, i%2, 31+i
			sample++
			counts[n][2]++
		}
		if i%3 != 1 {
			p["view"], p["view_since"] = 1, 117
			view++
			counts[n][1]++
		}
		if i == 59 {
			p["id"] = evil
		}
		if i%9 == 4 {
			counts[n][3]++
		}
		peers = append(peers, p)
	}
	for i, n := range nets {
		networks = append(networks, map[string]any{"name": n, "peers": counts[i][0], "view": counts[i][1], "sample": counts[i][2], "suspect": counts[i][3]})
	}
	size := func(i int) any {
		if i < 30 {
			return nil
		}
		n := 400 + float64((i-29)*412)/90
		return map[string]any{"n": n, "standard_error": n * .195, "low": n * .6171, "high": n * 1.383}
	}
	for i := range 120 {
		history = append(history, map[string]any{
			"round": i + 1, "at": time.Now(), "outcome": "renewed", "pushes": 9 + i*i%23 + max(0, i-80)*2, "threshold": 16, "size": size(i),
			"refused": i, "suspects": i % 5, "deaths": 0, "planned": 40, "done": 39,
			"view_new": i * i % 11, "view_gone": i * i % 11, "sample_new": i % 17 / 15, "sample_gone": i % 17 / 15,
		})
		if i%4 == 0 {
			changes = append(changes, map[string]any{"round": i + 1, "added": []string{fmt.Sprintf("12D3KooW%044d", i), evil}, "removed": []string{}})
		}
	}
	last := history[119].(map[string]any)
	return map[string]any{
		"id": "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA", "version": evil, "started": time.Now(), "now": time.Now(), "interval": 1, "round": 120,
		"outcome": "refilled", "took": 1.01, "ready": false, "not_ready": []string{"isolated: in the last 4 rounds 0 of 90 exchanges were answered, and no push came"},
		"health": []any{
			map[string]any{"condition": "isolated", "reason": "in the last 4 rounds 0 of 90 exchanges were answered, and no push came"},
			map[string]any{"condition": "overloaded", "reason": "pushes 87 > threshold 16, and so in 6 of 8 rounds"},
			map[string]any{"condition": "misbehaviour", "reason": evil},
		},
		"view":   map[string]any{"slots": 40, "filled": view, "distinct": view},
		"sample": map[string]any{"slots": 40, "filled": sample, "distinct": sample, "mature": 16, "proven": 20, "waiting": 0},
		"peers":  peers, "networks": networks, "size": map[string]any{"n": 812, "standard_error": 158.7, "low": 501, "high": 1123},
		"pushes": map[string]any{"counted": last["pushes"], "dropped": 0, "repeats": 3, "threshold": 16, "overloaded": true}, "deaths": 1, "suspects": 7, "doubting": true,
		"exchanges": map[string]any{"planned": 40, "done": 39, "answered": 31},
		"refused": []any{
			map[string]any{"reason": "rate_limited", "count": 123456, "misbehaviour": false, "meaning": "a stream beyond what a peer may open in a round: it may have shorter rounds"},
			map[string]any{"reason": "record_forged", "count": 81234, "misbehaviour": true, "meaning": "signed with another key than that of the peer it names"},
			map[string]any{"reason": "bad_frame", "count": 41, "misbehaviour": true, "meaning": evil},
		},
		"counters": []any{[]any{"dials", 4711}, []any{evil, 3}},
		"state":    map[string]any{"store": "/var/lib/brahms/state", "writes": 12, "failures": 0, "written": time.Now(), "error": ""},
		"tokens":   map[string]any{"bits": 12, "solved": 300, "skipped": 4, "rejected": 5},
		"history":  history, "changes": changes,
	}
}
