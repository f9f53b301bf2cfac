package packaging

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// verify asks systemd for what is wrong with the unit, after a change of its text. Of the binary it looks at the one built here,
// for the manual page it does not look.
func verify(t *testing.T, change *strings.Replacer) (string, error) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "packaging", "brahms-p2p.service"))
	if err != nil {
		t.Fatal(err)
	}
	binary, err := filepath.Abs(filepath.Join(out, "brahms-p2p"))
	if err != nil {
		t.Fatal(err)
	}
	unit := strings.Replace(string(text), "/usr/local/bin/brahms-p2p", binary, 1)
	if unit == string(text) {
		t.Fatal("the unit does not start /usr/local/bin/brahms-p2p")
	}
	file := filepath.Join(t.TempDir(), "brahms-p2p.service")
	if err := os.WriteFile(file, []byte(change.Replace(unit)), 0o644); err != nil {
		t.Fatal(err)
	}
	return outputOf(t, "systemd-analyze", "verify", "--man=no", file)
}

// TestUnit: systemd has nothing to say against the unit, and rates what it may reach of the system as "OK" or better.
func TestUnit(t *testing.T) {
	if text, err := verify(t, strings.NewReplacer()); err != nil || strings.TrimSpace(text) != "" {
		t.Errorf("%v: %s", err, text)
	}
	file, err := filepath.Abs(filepath.Join(root, "packaging", "brahms-p2p.service"))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := outputOf(t, "systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", file); err != nil {
		t.Errorf("exposed more than 2.0: %v\n%s", err, text)
	}
}

// TestUnitFaults: systemd would say so.
func TestUnitFaults(t *testing.T) {
	for old, new := range map[string]string{
		"NoNewPrivileges=yes": "NoNewPrivilege=yes", "PrivateTmp=yes": "PrivateTmp=perhaps", "ProtectSystem=strict": "ProtectSystem=very",
		"TimeoutStopSec=15": "TimeoutStopSec=soon", "SystemCallFilter=@system-service": "SystemCallFilter=@nothing",
		"/brahms-p2p run": "/brahms-q2p run",
	} {
		text, err := verify(t, strings.NewReplacer(old, new))
		if err == nil && strings.TrimSpace(text) == "" {
			t.Errorf("%s is taken", new)
		}
	}
}
