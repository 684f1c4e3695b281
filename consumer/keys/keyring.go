package keys

import (
	"cmp"
	"crypto/rsa"
	"slices"
	"strings"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/skrclient"
	"kafka-e2ee/web/podstatus"
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

// heldKeys lists a keyring, the newest key first. A key that was listed before keeps its time. After a restart all come at
// once, in any order, so their ranks decide first: see ranksOf.
func heldKeys(before []podstatus.HeldKey, keyring []*rsa.PrivateKey, ranks map[string]int, now time.Time) []podstatus.HeldKey {
	list := make([]podstatus.HeldKey, 0, len(keyring))
	for _, key := range slices.Backward(keyring) {
		held := podstatus.HeldKey{ID: envelope.KeyID(&key.PublicKey), Since: now}
		if i := slices.IndexFunc(before, func(k podstatus.HeldKey) bool { return k.ID == held.ID }); i >= 0 {
			held = before[i]
		}
		list = append(list, held)
	}
	slices.SortStableFunc(list, func(a, b podstatus.HeldKey) int { return cmp.Compare(ranks[a.ID], ranks[b.ID]) })
	return list
}

// ranksOf returns the rank of each key in a keyring, by its id: the place of its name among the names that are asked for.
// Names without a version come first, because the vault releases their newest version. A key that was ranked before keeps
// its rank: the version before the newest one still belongs to that name.
func ranksOf(before map[string]int, keyring []*rsa.PrivateKey, released []skrclient.KeyState, names []string) map[string]int {
	places := slices.Clone(names)
	slices.SortStableFunc(places, func(a, b string) int { return cmp.Compare(strings.Count(a, "/"), strings.Count(b, "/")) })
	ranks := make(map[string]int, len(keyring))
	for _, key := range keyring {
		id := envelope.KeyID(&key.PublicKey)
		if rank, known := before[id]; known {
			ranks[id] = rank
			continue
		}
		ranks[id] = len(places)
		for _, r := range released {
			if place := slices.Index(places, r.Name); place >= 0 && r.Private().Equal(key) {
				ranks[id] = min(ranks[id], place)
			}
		}
	}
	return ranks
}
