package watch

import (
	"regexp"
	"strings"
	"testing"
)

// TestPagesAreSelfContained: a page fetches nothing, and what runs in it is what its policy names.
func TestPagesAreSelfContained(t *testing.T) {
	for name, p := range map[string]page{"node": nodePage, "swarm": swarmPage} {
		if strings.Contains(p.text, "/*style*/") || strings.Contains(p.text, "/*script*/") {
			t.Errorf("%s: a part is missing", name)
		}
		for _, m := range regexp.MustCompile(`(?i)(?:https?:)?//[a-z0-9.-]+\.[a-z]+[^\s'"]*`).FindAllString(p.text, -1) {
			if m != "http://www.w3.org/2000/svg" { // the name of a language, which nobody fetches
				t.Errorf("%s names %s", name, m)
			}
		}
		for _, bad := range []string{`(?i)<[^>]*\son[a-z]+=`, `(?i)<[^>]*\sstyle=`, `innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function`, `(?i)<(?:iframe|object|embed|form|base)\b`, `@import|url\(`} {
			if m := regexp.MustCompile(bad).FindString(p.text); m != "" {
				t.Errorf("%s has %q", name, m)
			}
		}
		for tag, directive := range map[string]string{"style": "style-src", "script": "script-src"} {
			all := regexp.MustCompile(`(?s)<`+tag+`[^>]*>(.*?)</`+tag+`>`).FindAllStringSubmatch(p.text, -1)
			if len(all) != 1 || !strings.Contains(p.policy, directive+" "+hashOf(all[0][1])) {
				t.Errorf("%s: %d parts %s, which the policy %q does not name", name, len(all), tag, p.policy)
			}
		}
		if !strings.HasPrefix(p.policy, "default-src 'none'; ") || strings.Contains(p.policy, "unsafe") || strings.Contains(p.policy, "*") {
			t.Errorf("%s: the policy is %q", name, p.policy)
		}
		// What people with a phone, a keyboard or a screen reader need at least; the rest is tested in a browser.
		for _, want := range []string{`<html lang="en">`, `name="viewport"`, `class="skip"`, `role="status"`, `<main>`, `<h1>`, `aria-pressed`, `:focus-visible`, `prefers-color-scheme`} {
			if !strings.Contains(p.text, want) {
				t.Errorf("%s lacks %s", name, want)
			}
		}
		for _, m := range regexp.MustCompile(`aria-labelledby="([^"]+)"|href="#([^"]+)"`).FindAllStringSubmatch(p.text, -1) {
			if id := m[1] + m[2]; strings.Count(p.text, ` id="`+id+`"`) != 1 {
				t.Errorf("%s: %s names no element", name, m[0])
			}
		}
	}
}
