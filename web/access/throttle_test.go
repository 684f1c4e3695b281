package access

import (
	"testing"
	"time"
)

// Without this one address could shut out another, or an attacker with many addresses could guess without limit.
func TestThrottleCountsAddressesAndNames(t *testing.T) {
	now := time.Now()
	limit := newThrottle(freeFailures, failureFades)
	limit.now = func() time.Time { return now }
	for range freeFailures {
		if limit.wait("address a", "name n") != 0 {
			t.Fatal("a password within the limit has to wait")
		}
		limit.count("address a", "name n")
	}
	for name, test := range map[string]struct {
		keys []string
		free bool
	}{
		"same": {[]string{"address a", "name n"}, false}, "same address": {[]string{"address a", "name m"}, false},
		"same name": {[]string{"address b", "name n"}, false}, "neither": {[]string{"address b", "name m"}, true},
	} {
		if got := limit.wait(test.keys...); (got == 0) != test.free || got > failureFades {
			t.Errorf("%s: waits %v", name, got)
		}
	}
	now = now.Add(failureFades)
	if got := limit.wait("address a"); got != 0 {
		t.Errorf("waits %v after one failure was forgotten", got)
	}
	for remote, want := range map[string]string{
		"10.0.0.1:1": "10.0.0.1", "[::ffff:10.0.0.1]:1": "10.0.0.1", "[2001:db8::1]:1": "2001:db8::/64", "[2001:db8::2:1]:9": "2001:db8::/64",
		"[fe80::1%eth0]:1": "fe80::/64", "?": "?",
	} {
		if got := Network(remote); got != want {
			t.Errorf("%s: got %s, want %s", remote, got, want)
		}
	}
}

// Without this a viewer could be shut out for as long as the clock was set back.
func TestThrottleIfTheClockGoesBack(t *testing.T) {
	now := time.Now()
	limit := newThrottle(freeFailures, failureFades)
	limit.now = func() time.Time { return now }
	for range freeFailures {
		limit.count("who")
	}
	wait := limit.wait("who")
	now = now.Add(-30 * time.Minute)
	if again := limit.wait("who"); again > wait {
		t.Errorf("a wait of %v became one of %v", wait, again)
	}
}
