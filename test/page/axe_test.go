package page

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/chromedp/chromedp"
)

// axe is the checker of accessibility, and where npm puts it.
var axe = filepath.Join("node_modules", "axe-core", "axe.min.js")

// A violation is a rule of the checker that a page breaks, with the elements that do.
type violation struct {
	ID, Help string
	Nodes    []string
}

// violations runs the checker: the rules of WCAG 2.2 A and AA, contrast of colours among them, and those of good practice.
func (b *tab) violations() []violation {
	b.t.Helper()
	if !ask[bool](b, "!!window.axe") {
		source, err := os.ReadFile(axe)
		if err != nil {
			b.t.Fatal(err)
		}
		if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](string(source)+"; 'loaded'")); err != nil {
			b.t.Fatal(err)
		}
	}
	b.run(`window.checked = undefined;
		axe.run(document, {resultTypes: ['violations']}).then(
			(r) => { window.checked = r.violations.map((v) => ({ID: v.id, Help: v.help, Nodes: v.nodes.map((n) => n.html)})); window.passed = r.passes.length; },
			(err) => { window.checked = [{ID: 'axe', Help: String(err), Nodes: []}]; })`)
	b.await("window.checked")
	return ask[[]violation](b, "window.checked")
}

// accessible checks that the page breaks no rule.
func (b *tab) accessible(what string) {
	b.t.Helper()
	for _, v := range b.violations() {
		b.t.Errorf("%s: %s: %s: %d times, as in %s", what, v.ID, v.Help, len(v.Nodes), strings.Join(v.Nodes[:min(3, len(v.Nodes))], " and "))
	}
}

// faultsAreFound breaks rules in the page, each of which must be found. The page is of no use after that.
func (b *tab) faultsAreFound() {
	b.t.Helper()
	b.run(`document.getElementById('pause').textContent = '';
		document.documentElement.removeAttribute('lang');
		document.querySelector('h1').style.cssText = 'color: #999; background: #888'; // by day and night
		const bare = document.querySelector('[role=img]').cloneNode(true); // a copy, as the next answer draws the charts anew
		bare.removeAttribute('aria-label');
		document.querySelector('main').append(bare)`)
	var found []string
	for _, v := range b.violations() {
		found = append(found, v.ID)
	}
	for _, want := range []string{"button-name", "html-has-lang", "color-contrast", "svg-img-alt"} {
		if !slices.Contains(found, want) {
			b.t.Errorf("a page that breaks %s has only %q", want, found)
		}
	}
}
