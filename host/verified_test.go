package host

import "testing"

// TestVerified: samples are verified but for those of the preset "paper".
func TestVerified(t *testing.T) {
	if !fakeService(t, newFakeNet(nil)).Verified() {
		t.Error("by default")
	}
	if fakeService(t, newFakeNet(nil), WithPreset("paper")).Verified() {
		t.Error("paper")
	}
}
