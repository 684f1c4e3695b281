package main

import (
	"io"
	"testing"
)

// A typo in a name or an address would show only when a client connects, or never.
func TestFlagsAreChecked(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		ok   bool
	}{
		{nil, true},
		{[]string{"-names", "localhost, 127.0.0.1,::1,a.example\n"}, true},
		{[]string{"-names", "a;b"}, false},
		{[]string{"-names", "a,,b"}, false},
		{[]string{"-names", `"a"`}, false},
		{[]string{"-vault-host", "https://v.example"}, false},
		{[]string{"-vault-host", "myKeyVault.vault.azure.net"}, true},
		{[]string{"-attestation-host", "attestation.lab.example:8443"}, true},
		{[]string{"-attestation-host", "attestation.lab.example:"}, false},
		{[]string{"-listen", "127.0.0.1:0"}, true},
		{[]string{"-listen", "127.0.0.1:99999"}, false},
		{[]string{"-listen-metadata", "127.0.0.1"}, false},
		{[]string{"-listen-metadata", "127.0.0.1:80\n"}, false},
		{[]string{"-unknown"}, false},
		{[]string{"argument"}, false},
	} {
		if _, err := parse(test.args, io.Discard); (err == nil) != test.ok {
			t.Errorf("%q: got error %v, want success %t", test.args, err, test.ok)
		}
	}
}
