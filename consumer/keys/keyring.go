package keys

import (
	"crypto/rsa"
	"slices"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/web"
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

// heldKeys lists a keyring, the newest key first. A key that was listed before keeps its time.
func heldKeys(before []web.HeldKey, keyring []*rsa.PrivateKey, now time.Time) []web.HeldKey {
	list := make([]web.HeldKey, 0, len(keyring))
	for _, key := range slices.Backward(keyring) {
		held := web.HeldKey{ID: envelope.KeyID(&key.PublicKey), Since: now}
		if i := slices.IndexFunc(before, func(k web.HeldKey) bool { return k.ID == held.ID }); i >= 0 {
			held = before[i]
		}
		list = append(list, held)
	}
	return list
}
