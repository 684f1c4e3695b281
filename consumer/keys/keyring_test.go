package keys

import (
	"crypto/rsa"
	"math/big"
	"testing"
	"time"
)

// Without it a sidecar that releases a different key each time would fill the memory, and each record that names no key
// would be tried with all of them. A key that is still asked for must stay, however old it is.
func TestKeyringIsBounded(t *testing.T) {
	number := func(n int64) *rsa.PrivateKey {
		return &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: big.NewInt(n), E: 65537}, D: big.NewInt(n)}
	}
	steady := number(1_000_000)
	var keyring []*rsa.PrivateKey
	dropped := 0
	for n := range int64(3 * maxKeys) {
		next, more := addKeys(keyring, []*rsa.PrivateKey{steady, number(n)})
		same, none := addKeys(next, []*rsa.PrivateKey{steady, number(n)})
		if len(same) != len(next) || none != 0 {
			t.Fatalf("the same keys again: %d became %d, %d dropped", len(next), len(same), none)
		}
		keyring, dropped = next, dropped+more
	}
	if len(keyring) != maxKeys || dropped != 3*maxKeys+1-maxKeys || !keyring[0].Equal(steady) || !keyring[maxKeys-1].Equal(number(3*maxKeys-1)) || !keyring[1].Equal(number(2*maxKeys+1)) {
		t.Errorf("%d keys are kept and %d were dropped, want the last %d", len(keyring), dropped, maxKeys)
	}
	many := make([]*rsa.PrivateKey, 2*maxKeys)
	for i := range many {
		many[i] = number(int64(i) + 5_000_000)
	}
	if all, _ := addKeys(keyring, many); len(all) != len(many) {
		t.Errorf("%d of %d keys that are asked for are kept", len(all), len(many))
	}
}

// Without it the page would not list the keys that older records still need, or would say that all came at once.
func TestHeldKeysSayWhenTheyCame(t *testing.T) {
	number := func(n int64) *rsa.PrivateKey {
		return &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: big.NewInt(n), E: 65537}, D: big.NewInt(n)}
	}
	at := time.Unix(1_000_000, 0)
	first := heldKeys(nil, []*rsa.PrivateKey{number(77)}, nil, at)
	both := heldKeys(first, []*rsa.PrivateKey{number(77), number(79)}, nil, at.Add(time.Hour))
	if len(both) != 2 || both[1] != first[0] || both[0].ID == first[0].ID || !both[0].Since.Equal(at.Add(time.Hour)) {
		t.Errorf("after a rotation: %+v", both)
	}
	if left := heldKeys(both, []*rsa.PrivateKey{number(79)}, nil, at.Add(2*time.Hour)); len(left) != 1 || left[0] != both[0] {
		t.Errorf("after the first one was dropped: %+v", left)
	}
}
