package watch

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html"
	"net/http"
	"strings"
)

//go:embed page
var pageFiles embed.FS

// A page is one self-contained document: its style and script stand in it, and its policy lets nothing else in.
type page struct{ text, policy string }

var (
	nodePage  = newPage("node")
	swarmPage = newPage("swarm")
)

// newPage puts the files of a page together.
func newPage(name string) page {
	read := func(file string) string {
		b, err := pageFiles.ReadFile("page/" + file)
		if err != nil {
			panic("watch: internal error: " + err.Error())
		}
		return string(b)
	}
	style := read("style.css")
	script := read("common.js") + read(name+".js")
	text := strings.NewReplacer("/*style*/", style, "/*script*/", script).Replace(read(name + ".html"))
	return page{text: text, policy: strings.Join([]string{
		"default-src 'none'", "style-src " + hashOf(style), "script-src " + hashOf(script), "connect-src 'self'", "img-src data:",
		"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
	}, "; ")}
}

// hashOf is the source of a policy that lets exactly this text run.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func (p page) serve(w http.ResponseWriter, _ *http.Request) { p.serveWith(w, "") }

// serveWith serves the page with a token in it.
func (p page) serveWith(w http.ResponseWriter, token string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", p.policy)
	_, _ = w.Write([]byte(strings.Replace(p.text, "{{token}}", html.EscapeString(token), 1)))
}
