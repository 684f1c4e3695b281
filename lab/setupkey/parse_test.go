package setupkey

import "testing"

// Without this a vault that answers nonsense could crash the program.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"key":{"kid":"https://v/keys/k/1","n":"AQAB","e":"AQAB"},"release_policy":{"data":"e30="}}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		key, err := parse(answer)
		if err != nil {
			return
		}
		if _, err := key.PEM(); err != nil {
			t.Fatalf("a key that cannot be written: %v", err)
		}
	})
}
