package access

import (
	"regexp"
	"strings"
	"testing"
)

// Without this a users file could crash the program, let somebody in without a password, or put a hash into the log.
func FuzzUsers(f *testing.F) {
	const hash = "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC"
	for _, text := range []string{"", "# none\n", "alice:" + hash + "\n", "alice:" + hash + "\r\n\nbob:$2b$10" + hash[6:], "a:" + hash + ":x", "a\x00:" + hash, "a:$2y$31" + hash[6:], "a:$apr1$x$y"} {
		f.Add([]byte(text))
	}
	fixed := regexp.MustCompile(`^(line \d+: (is not NAME:HASH|the name is empty, longer than 255 bytes or not plain text|the password's hash is not bcrypt \(hint: htpasswd -B\)|the cost of the password's hash is not 4 to 14 \(hint: htpasswd -B -C 12\)|the name is there twice)|names no user \(hint: htpasswd -B -C 12 FILE NAME adds one\))$`)
	f.Fuzz(func(t *testing.T, text []byte) {
		u, err := parseUsers(text)
		if err != nil {
			if u != nil || !fixed.MatchString(err.Error()) {
				t.Fatalf("the error is not one of the fixed texts: %v", err)
			}
			return
		}
		if len(u.names) == 0 || len(u.hashes) != len(u.names) {
			t.Fatalf("%d names, %d hashes", len(u.names), len(u.hashes))
		}
		for _, name := range u.names {
			if name == "" || strings.Contains(name, ":") || !strings.Contains(string(text), name+":"+string(u.hashes[name])) || len(u.hashes[name]) != 60 {
				t.Fatalf("the file has no user %q", name)
			}
		}
	})
}

// Without this a connection that is signed in with one name and password would be so with others.
func TestMACsDiffer(t *testing.T) {
	first, err := parseUsers([]byte(hashed(t, "a", "b")))
	if err != nil {
		t.Fatal(err)
	}
	second, err := parseUsers([]byte(hashed(t, "a", "b")))
	if err != nil {
		t.Fatal(err)
	}
	mac := first.mac("a", "b")
	if mac != first.mac("a", "b") || mac == first.mac("a", "c") || mac == first.mac("b", "b") || mac == second.mac("a", "b") {
		t.Error("a MAC is not that of exactly one name and password of one load")
	}
}
