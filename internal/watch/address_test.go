package watch

import (
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]string{
		"7780": "127.0.0.1:7780", ":7780": "127.0.0.1:7780", "0": "127.0.0.1:0", "localhost:80": "localhost:80", "0.0.0.0:1": "0.0.0.0:1",
		"[::1]:9": "[::1]:9", "[::]:9": "[::]:9", "box.example:65535": "box.example:65535",
	} {
		a, err := ParseAddress(text)
		if err != nil || a.String() != want {
			t.Errorf("%q is %v, %v, want %s", text, a, err, want)
		}
	}
	for _, text := range []string{"", "localhost", "65536", "-1", "::1:9", "a b:1", "http://localhost:1", "localhost:http", "127.0.0.1:", "u@h:1", "fe80::1%eth0"} {
		if _, err := ParseAddress(text); err == nil || !strings.Contains(err.Error(), "http=") || !strings.Contains(err.Error(), "must be HOST:PORT") {
			t.Errorf("%q: error %v", text, err)
		}
	}
}

// TestOurs: who could have been led here by a name server of theirs is not answered.
func TestOurs(t *testing.T) {
	a, err := ParseAddress("Box.example:7780")
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"127.0.0.1:7780": true, "127.0.0.1": true, "[::1]:7780": true, "[::1]": true, "localhost:1": true, "LOCALHOST": true, "192.0.2.1:7780": true,
		"box.example:7780": true, "box.example": true,
		"": false, "evil.example:7780": false, "localhost.evil.example": false, "127.0.0.1.evil.example": false, "evil.example": false,
		"box.example.evil.example": false, "127.0.0.1@evil.example": false, "0x7f000001": false, "localhost.": false,
	} {
		if got := a.ours(host); got != want {
			t.Errorf("Host %q is ours: %v", host, got)
		}
	}
}
