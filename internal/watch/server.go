package watch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/netutil"
)

// Bounds on what clients may cost. A client beyond maxConns waits until another is done.
const (
	maxConns      = 64
	maxHeader     = 16 << 10
	maxBody       = 1 << 10
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 30 * time.Second // profiles that are asked for longer set their own
	idleTimeout   = time.Minute
	closeTimeout  = time.Second
)

// A Server serves a handler on one address.
type Server struct {
	at     net.Addr
	server *http.Server
	ended  chan error
}

// Listen starts to serve h at a. Its error is that the address cannot be had.
func Listen(a Address, h http.Handler) (*Server, error) {
	ln, err := Open(a)
	if err != nil {
		return nil, err
	}
	return Serve(a, ln, h), nil
}

// Open takes the address a, for Serve: who is served only once it has started hears before that whether it can be had.
func Open(a Address) (net.Listener, error) {
	ln, err := net.Listen("tcp", a.String())
	if err != nil {
		return nil, fmt.Errorf("serve http=%s: %w", a, err)
	}
	return ln, nil
}

// Serve starts to serve h on ln, which Open returned for a and which is the server's from now on.
func Serve(a Address, ln net.Listener, h http.Handler) *Server {
	s := &Server{
		at: ln.Addr(), ended: make(chan error, 1),
		server: &http.Server{
			Handler:           guard(a, h),
			ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
			MaxHeaderBytes: maxHeader,
		},
	}
	go func() { s.ended <- s.server.Serve(netutil.LimitListener(ln, maxConns)) }()
	return s
}

// URL is where the page is.
func (s *Server) URL() string {
	host, port, _ := net.SplitHostPort(s.at.String())
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}

// Exposed reports whether others than this machine can reach the server.
func (s *Server) Exposed() bool {
	tcp, ok := s.at.(*net.TCPAddr)
	return !ok || !tcp.IP.IsLoopback()
}

// Close ends the server: requests that run get a second.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if s.server.Shutdown(ctx) != nil {
		_ = s.server.Close()
	}
	if err := <-s.ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// guard is what every request passes first.
func guard(a Address, next http.Handler) http.Handler {
	// Against changes from pages of other sites: by Sec-Fetch-Site, and by Origin where a browser does not send that.
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", noContent)
		switch {
		case !a.ours(r.Host):
			http.Error(w, fmt.Sprintf("this server is not called %q: use localhost, an IP address or the host of --http", clip(r.Host)), http.StatusMisdirectedRequest)
		case elsewhere(r):
			http.Error(w, "this server does not answer to pages of other sites", http.StatusForbidden)
		default:
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			next.ServeHTTP(w, r)
		}
	})
}

// noContent is the policy of what is no page.
const noContent = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// elsewhere reports whether a page of another site asks, other than by a link that a person followed. Such a page cannot
// read the answer, but it could make us work: a profile takes a core for half a minute.
func elsewhere(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	}
	return r.Method != http.MethodGet || r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document" ||
		strings.HasPrefix(r.URL.Path, "/debug/")
}

// clip shortens what a client sent to something that an answer can hold.
func clip(text string) string {
	if len(text) > 100 {
		return text[:100] + "..."
	}
	return text
}
