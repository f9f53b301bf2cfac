package watch

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// serve serves h on loopback for the test.
func serve(t *testing.T, h http.Handler) *Server {
	t.Helper()
	a, err := ParseAddress("0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Listen(a, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// call asks the server and returns the code and the text of the answer. The headers come in pairs; "Host" is that of the request.
func call(t *testing.T, s *Server, method, path string, headers ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, strings.TrimSuffix(s.URL(), "/")+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if req.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
			req.Host = headers[i+1]
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header
}

// echo answers what it was asked, and so shows what got through.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Method+" "+r.URL.Path) })

func TestGuard(t *testing.T) {
	s := serve(t, echo)
	for _, c := range []struct {
		about, method, path string
		headers             []string
		want                int
	}{
		{"a program", "GET", "/x", nil, 200},
		{"the page itself", "GET", "/debug/brahms", []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors"}, 200},
		{"an address that was typed", "GET", "/", []string{"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate"}, 200},
		{"a link on another site", "GET", "/", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 200},
		{"a name that leads here", "GET", "/x", []string{"Host", "evil.example"}, 421},
		{"a name that leads here, with our port", "POST", "/x", []string{"Host", "evil.example:7780"}, 421},
		{"another site's script", "GET", "/debug/brahms", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors"}, 403},
		{"another site's picture", "GET", "/debug/pprof/profile", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, 403},
		{"another port's script", "GET", "/debug/brahms", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors"}, 403},
		{"another site's frame", "GET", "/", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 403},
		{"a link to a profile", "GET", "/debug/pprof/profile", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 403},
		{"another site's form", "POST", "/kill", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, 403},
		{"an old browser on another site", "POST", "/kill", []string{"Origin", "http://evil.example"}, 403},
		{"the page of an old browser", "POST", "/kill", []string{"Origin", strings.TrimSuffix(s.URL(), "/")}, 200},
	} {
		code, text, h := call(t, s, c.method, c.path, c.headers...)
		if code != c.want {
			t.Errorf("%s: %d %q, want %d", c.about, code, text, c.want)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store",
			"Referrer-Policy": "no-referrer", "Content-Security-Policy": noContent, "Access-Control-Allow-Origin": "",
		} {
			if h.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", c.about, name, h.Get(name), want)
			}
		}
	}
}

// TestWithoutGuard is the negative control: without it, all of these get through.
func TestWithoutGuard(t *testing.T) {
	s := serve(t, echo)
	s.server.Handler = echo
	for _, headers := range [][]string{{"Host", "evil.example"}, {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors"}, {"Origin", "http://evil.example"}} {
		if code, text, _ := call(t, s, "POST", "/kill", headers...); code != 200 || text != "POST /kill" {
			t.Errorf("%v: %d %q", headers, code, text)
		}
	}
}

// TestBounds: what a client sends is bounded in size and time.
func TestBounds(t *testing.T) {
	read := make(chan error, 1)
	s := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		read <- err
	}))
	if s.server.ReadHeaderTimeout <= 0 || s.server.ReadTimeout <= 0 || s.server.WriteTimeout <= 0 || s.server.IdleTimeout <= 0 {
		t.Error("a timeout is missing")
	}
	// The server hangs up on who sends too much, so an answer may come or not.
	if res, err := http.Post(s.URL(), "text/plain", strings.NewReader(strings.Repeat("x", maxBody+1))); err == nil {
		res.Body.Close()
	}
	if err := <-read; err == nil {
		t.Errorf("a body of %d bytes was read to its end", maxBody+1)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X", strings.Repeat("x", 2*maxHeader))
	if res, err := http.DefaultClient.Do(req); err == nil {
		res.Body.Close()
		if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("a header of %d bytes: %d", 2*maxHeader, res.StatusCode)
		}
	}
	select {
	case <-read:
		t.Errorf("a header of %d bytes got through", 2*maxHeader)
	default:
	}
}

// TestClientsAreBounded: a client beyond the bound is served when another goes.
func TestClientsAreBounded(t *testing.T) {
	s := serve(t, echo)
	var conns []net.Conn
	for range maxConns {
		c, err := net.Dial("tcp", s.at.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
		// Kept open after an answer, so that it holds its place for certain.
		answer(t, c)
	}
	late, err := net.Dial("tcp", s.at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	_, _ = io.WriteString(late, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	_ = late.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if n, err := late.Read(make([]byte, 1)); err == nil || n > 0 {
		t.Error("a client beyond the bound was served")
	}
	conns[0].Close()
	_ = late.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := late.Read(make([]byte, 1)); err != nil {
		t.Errorf("it was not served after another had gone: %v", err)
	}
}

func answer(t *testing.T, c net.Conn) {
	t.Helper()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
}

func TestExposed(t *testing.T) {
	for text, want := range map[string]bool{"0": false, "127.0.0.1:0": false, "localhost:0": false, "0.0.0.0:0": true} {
		a, err := ParseAddress(text)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Listen(a, echo)
		if err != nil {
			t.Fatal(err)
		}
		if s.Exposed() != want || !strings.HasPrefix(s.URL(), "http://") {
			t.Errorf("%s at %s is exposed: %v", text, s.URL(), s.Exposed())
		}
		if code, _, _ := call(t, s, "GET", "/"); code != 200 {
			t.Errorf("%s: %d", s.URL(), code)
		}
		s.Close()
		if _, err := http.Get(s.URL()); err == nil {
			t.Errorf("%s answers after Close", text)
		}
	}
	taken := serve(t, echo)
	_, port, _ := net.SplitHostPort(taken.at.String())
	a, _ := ParseAddress(port)
	if _, err := Listen(a, echo); err == nil {
		t.Error("a port that is taken was had")
	}
}
