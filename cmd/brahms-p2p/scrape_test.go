//go:build !race

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// lockedBuffer is written by one goroutine and read by another.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestScrapeOfASwarm scrapes a swarm of 64 peers while it runs: each scrape is whole, and rounds go on.
func TestScrapeOfASwarm(t *testing.T) {
	const peers = 64
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout, stderr lockedBuffer
	done := make(chan int, 1)
	go func() {
		done <- execute(ctx, []string{name, "swarm", "--peers", fmt.Sprint(peers), "--rounds", "1000", "--interval", "1s", "--http", "0"}, &stdout, &stderr)
	}()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	url, scraped, deadline := "", 0, time.After(2*time.Minute)
	rounds := regexp.MustCompile(`(?m)^libp2p_brahms_rounds_total\{outcome="renewed",peer="(\d+)"\} (\d+)$`)
	for scraped < 3 {
		select {
		case <-ticker.C:
		case code := <-done:
			t.Fatalf("the swarm ended with %d: %s", code, &stderr)
		case <-deadline:
			t.Fatalf("%d whole scrapes: %s", scraped, &stderr)
		}
		if url == "" {
			if m := regexp.MustCompile(`seen at (\S+)/\n`).FindStringSubmatch(stderr.String()); m != nil {
				url = m[1]
			}
			continue
		}
		res, err := http.Get(url + "/debug/metrics/prometheus")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("a scrape while peers run: %d, %v", res.StatusCode, err)
		}
		renewed := 0
		for _, m := range rounds.FindAllSubmatch(body, -1) {
			if string(m[2]) != "0" {
				renewed++
			}
		}
		if renewed == peers && strings.Count(string(body), "\nlibp2p_brahms_exchange_duration_seconds_count{") == 3*peers {
			scraped++
		}
	}
	cancel()
	if code := <-done; code != exitFailure || !strings.Contains(stderr.String(), "interrupted before the swarm was judged") {
		t.Errorf("it ended with %d: %s", code, &stderr)
	}
}
