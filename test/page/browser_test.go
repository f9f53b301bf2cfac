package page

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A tab is one page in a browser of its own. What goes wrong in it fails the test at its end.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string // of the URLs that it may fetch

	mu    sync.Mutex
	wrong []string
}

// flags keep the browser to itself: it shall talk to nobody but the page.
var flags = map[string]any{
	"headless": true, "no-sandbox": true, "disable-gpu": true, "disable-quic": true, "no-first-run": true,
	"disable-background-networking": true, "disable-component-update": true, "disable-sync": true,
	"disable-dev-shm-usage": true, "hide-scrollbars": true,
}

// open opens url; before is called ahead of the first request.
func open(t *testing.T, url string, before ...func(*tab)) *tab {
	t.Helper()
	opts := []chromedp.ExecAllocatorOption{chromedp.ExecPath(chromium), chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(patience)}
	for name, value := range flags {
		opts = append(opts, chromedp.Flag(name, value))
	}
	alloc, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, end := chromedp.NewContext(alloc)
	b := &tab{t: t, ctx: ctx, base: url}
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx)
		end()
		stop()
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, w := range b.wrong {
			t.Error(w)
		}
	})
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	call(b, network.Enable, network.EnableParams{})
	call(b, log.Enable, cdp.Empty{})
	call(b, runtime.Enable, cdp.Empty{})
	for _, f := range before {
		f(b)
	}
	b.do(chromedp.Navigate(url))
	return b
}

// hear notes what a correct page does not do: errors, breaches of its policy, requests elsewhere.
func (b *tab) hear(e any) {
	note := func(what string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.wrong = append(b.wrong, what)
	}
	switch e := e.(type) {
	case *runtime.EventExceptionThrown:
		note(fmt.Sprintf("exception: %+v", e.ExceptionDetails))
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			note("log: " + e.Entry.Text)
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			note("console: " + string(e.Type))
		}
	case *network.EventRequestWillBeSent:
		if url := e.Request.URL; !strings.HasPrefix(url, b.base) && !strings.HasPrefix(url, "data:") {
			note("request to " + url)
		}
	}
}

// do does actions one after another.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// call sends one command of the protocol.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	res, err := chromedp.Call(b.ctx, command, params)
	if err != nil {
		b.t.Fatal(err)
	}
	return res
}

// run runs a statement in the page.
func (b *tab) run(statement string) {
	b.t.Helper()
	ask[int](b, "(() => { "+statement+"; return 0 })()")
}

// ask evaluates an expression in the page.
func ask[T any](b *tab, expression string) (out T) {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("JSON.stringify("+expression+")"))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		b.t.Fatalf("%s is %q: %v", expression, text, err)
	}
	return out
}

// await waits until an expression is true in the page.
func (b *tab) await(expression string) {
	b.t.Helper()
	eventually(b.t, expression, func() bool { return ask[bool](b, "!!("+expression+")") })
}

// text is what an element says.
func (b *tab) text(id string) string {
	b.t.Helper()
	return trimmed(ask[string](b, "document.getElementById('"+id+"').textContent"))
}

// on makes the screen that of a phone or of a desk.
func (b *tab) on(phone bool) {
	b.t.Helper()
	if phone {
		b.do(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateScale(2)))
	} else {
		b.do(chromedp.EmulateViewport(1280, 900))
	}
}

// dark chooses between the dark and the light colours.
func (b *tab) dark(dark bool) {
	b.t.Helper()
	value := "light"
	if dark {
		value = "dark"
	}
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}},
	})
}

// screenshot keeps a picture of the whole page, and checks that it does not have to be moved sideways.
func (b *tab) screenshot(name string) {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	keep(b.t, name, png)
	if wide := ask[[2]int](b, "[document.documentElement.scrollWidth, innerWidth]"); wide[0] > wide[1] {
		b.t.Errorf("%s: the page is %d wide on a screen of %d", name, wide[0], wide[1])
	}
}

// legible waits until letters in pictures are as large on this screen as they are meant: at once, or with the next round.
func (b *tab) legible(selector string) {
	b.t.Helper()
	b.await("Math.min(...[...document.querySelectorAll('" + selector + "')].map((t) => t.getScreenCTM().a * parseFloat(getComputedStyle(t).fontSize))) >= 10")
}

// named are the roles of which a screen reader says the name.
var named = map[string]bool{
	"button": true, "link": true, "combobox": true, "searchbox": true, "textbox": true, "image": true, "img": true, "region": true, "heading": true, "table": false,
}

// readable checks what a screen reader is told: everything to act on and every picture has a name, and there are headings.
func (b *tab) readable() {
	b.t.Helper()
	nodes := call(b, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes
	count := map[string]int{}
	value := func(v *accessibility.Value) string {
		var text string
		if v != nil {
			_ = json.Unmarshal(v.Value, &text)
		}
		return text
	}
	for _, n := range nodes {
		if n.Ignored {
			continue
		}
		role := value(n.Role)
		count[role]++
		if named[role] && value(n.Name) == "" {
			b.t.Errorf("a %s has no name", role)
		}
	}
	for role, least := range map[string]int{"heading": 5, "button": 1, "combobox": 1, "main": 1, "banner": 1, "contentinfo": 1, "link": 3, "region": 4, "status": 2, "table": 1} {
		if count[role] < least {
			b.t.Errorf("a screen reader finds %d of role %s, want %d: %v", count[role], role, least, count)
		}
	}
}
