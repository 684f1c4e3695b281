package env

import "testing"

// Without this two parts of a lab could be given the same port before either uses it, and one of them could not start.
func TestUnusedAddrGivesNoPortTwice(t *testing.T) {
	given := map[string]bool{}
	for range 500 {
		addr, err := UnusedAddr(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if given[addr] {
			t.Fatalf("%s is given twice", addr)
		}
		given[addr] = true
	}
}
