package envelope

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"sync"
)

// sealRSA seals a record of the format rsa: the whole message in one block.
func sealRSA(dst, plaintext []byte, reader *rsa.PublicKey) ([]byte, error) {
	block, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, reader, plaintext, nil)
	if err != nil {
		return dst, fmt.Errorf("sealing a record: %w", err)
	}
	return base64.StdEncoding.AppendEncode(dst, block), nil
}

// openRSA opens a record of the format rsa. The format names no key, so every key of
// the block's size is tried, and a block that none opens is tried only once.
func (u unwrapper) openRSA(msg *Message, dst, value []byte) error {
	k := u.keys
	block := decodeBlock(value)
	if block == nil {
		return ErrMalformed
	}
	msg.Format = FormatRSA
	if u.opener.require.requiresSender() {
		return errRejectedUnsigned
	}
	if err := k.missingKey(nil); err != nil {
		return err
	}
	if !slices.ContainsFunc(k.keys, func(key heldKey) bool { return key.private.Size() == len(block) }) {
		return ErrUndecryptable
	}
	id := sha256.Sum256(block)
	if k.failedBlocks.contains(id) {
		return ErrUndecryptable
	}
	for _, key := range k.keys {
		plaintext, err := key.decrypt(block)
		if err != nil {
			continue
		}
		if dst != nil {
			plaintext = append(dst, plaintext...)
		}
		msg.Plaintext, msg.KeyID = plaintext, key.id
		msg.Sender = Sender{State: SenderUnverified, Reason: ReasonUnsigned}
		return nil
	}
	k.failedBlocks.add(id)
	return ErrUndecryptable
}

// isBlockSize reports whether the format rsa allows a modulus of so many bytes.
func isBlockSize(size int) bool { return size == 256 || size == 384 || size == 512 }

// decodeBlock returns nil for a value that is not a record of the format rsa. It
// checks the length first, so a long value is never decoded. The strict decoder
// rejects a second encoding of the same bytes, but skips line breaks; a value that
// contains one decodes to fewer bytes than its length promises.
func decodeBlock(value []byte) []byte {
	most := base64.StdEncoding.DecodedLen(len(value))
	size := most / 128 * 128 // the padding stands for up to two bytes
	if !isBlockSize(size) || base64.StdEncoding.EncodedLen(size) != len(value) {
		return nil
	}
	block := make([]byte, most)
	if n, err := base64.StdEncoding.Strict().Decode(block, value); err != nil || n != size {
		return nil
	}
	return block[:size]
}

const failedGeneration = 4096

// failedBlocks is an approximate LRU set of blocks that no key held opens, by their
// SHA-256: two generations, less than 1 MiB. Nothing in it is trusted, so it does not
// matter who fills it.
type failedBlocks struct {
	mu         sync.Mutex
	young, old map[[sha256.Size]byte]bool
}

func (f *failedBlocks) contains(id [sha256.Size]byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.old[id] && !f.young[id] {
		f.addLocked(id) // still in use
	}
	return f.young[id]
}

func (f *failedBlocks) add(id [sha256.Size]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.addLocked(id)
}

func (f *failedBlocks) addLocked(id [sha256.Size]byte) {
	if len(f.young) >= failedGeneration {
		f.old, f.young = f.young, nil
	}
	if f.young == nil {
		f.young = make(map[[sha256.Size]byte]bool)
	}
	f.young[id] = true
}
