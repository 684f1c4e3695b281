package keys

import (
	"crypto/rsa"
	"slices"
)

// maxKeys bounds the cost of a sidecar that releases a different key each time: the memory, and the work of trying
// every key on a record that names none.
const maxKeys = 64

// addKeys adds the keys held now to a keyring. If there are more than maxKeys, it drops the oldest that are not held.
func addKeys(keyring, held []*rsa.PrivateKey) (all []*rsa.PrivateKey, dropped int) {
	contains := func(keys []*rsa.PrivateKey, key *rsa.PrivateKey) bool {
		return slices.ContainsFunc(keys, func(other *rsa.PrivateKey) bool { return other.Equal(key) })
	}
	all = slices.Clone(keyring)
	for _, key := range held {
		if !contains(all, key) {
			all = append(all, key)
		}
	}
	excess := len(all) - maxKeys
	return slices.DeleteFunc(all, func(key *rsa.PrivateKey) bool {
		drop := dropped < excess && !contains(held, key)
		if drop {
			dropped++
		}
		return drop
	}), dropped
}
