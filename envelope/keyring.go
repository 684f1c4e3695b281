package envelope

import (
	"crypto/rsa"
	"crypto/sha256"
	"runtime"
	"slices"
)

// keyring is a set of private keys. [Opener.SetKeys] replaces it as a whole, and what is
// cached for another keyring does not count, so no cached result outlives its key.
type keyring struct {
	keys         []heldKey
	known        []string     // ids of these keys, and of those held before, the latest last
	failedBlocks failedBlocks // of the format rsa
}

type heldKey struct {
	private *rsa.PrivateKey
	id      string
}

// maxKnown is how many ids of keys an opener remembers. A vault can release another key
// each time it is asked.
const maxKnown = 1024

// rememberKnown sets the known ids, given those of the former keyring.
func (k *keyring) rememberKnown(former []string) {
	k.known = slices.DeleteFunc(slices.Clone(former), k.holds)
	k.known = slices.Delete(k.known, 0, min(max(len(k.known)+len(k.keys)-maxKnown, 0), len(k.known)))
	for _, key := range k.keys {
		k.known = append(k.known, key.id)
	}
}

func (k *keyring) holds(id string) bool {
	return slices.ContainsFunc(k.keys, func(key heldKey) bool { return key.id == id })
}

// others returns those of a record's recipients whose keys are not and were not held.
func (k *keyring) others(recipients []string) []string {
	var others []string
	for _, id := range recipients {
		if !slices.Contains(k.known, id) {
			others = append(others, id)
		}
	}
	return others
}

// missingKey returns ErrNoKey if the keyring is empty, and ErrUnknownKey if it holds
// none of the keys that a record names. If the record names none, any key will do.
func (k *keyring) missingKey(needs []string) error {
	switch {
	case len(k.keys) == 0:
		return ErrNoKey
	case len(needs) > 0 && !slices.ContainsFunc(needs, k.holds):
		return ErrUnknownKey
	}
	return nil
}

// privateKeySem limits private-key operations to one for each processor, whatever
// the number of openers. Go serves the goroutines that wait for a channel in order,
// so a partition with one record waits for one record of each other partition, not
// for their whole backlog.
var privateKeySem = make(chan struct{}, runtime.GOMAXPROCS(0)) //nolint:gochecknoglobals // the processors are the process's, too

// decrypt does the private-key operation, RSA-OAEP-256.
func (k heldKey) decrypt(block []byte) ([]byte, error) {
	if len(block) != k.private.Size() {
		return nil, ErrUndecryptable
	}
	privateKeySem <- struct{}{}
	defer func() { <-privateKeySem }()
	return rsa.DecryptOAEP(sha256.New(), nil, k.private, block, nil)
}
