package envelope

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"sync/atomic"
)

// OpenerConfig says what an opener trusts. The format rsa leaves nothing to
// choose.
type OpenerConfig struct{}

// Opener opens records with the keys it holds. It is safe for concurrent use,
// and opening takes no lock.
type Opener struct{ ring atomic.Pointer[[]ringKey] }

type ringKey struct {
	private *rsa.PrivateKey
	id      string
}

// NewOpener makes an opener that holds no key yet.
func NewOpener(OpenerConfig) *Opener {
	o := new(Opener)
	o.ring.Store(new([]ringKey))
	return o
}

// SetKeys replaces all keys at once, so that no record ever sees half a ring;
// without arguments it drops them. Each key is checked like one that
// [ParsePrivateKey] reads. If one is not sound, nothing changes and the error
// says which and why. It does not write to the keys, and neither may the caller
// from then on.
func (o *Opener) SetKeys(keys ...*rsa.PrivateKey) error {
	ring := make([]ringKey, len(keys))
	for i, key := range keys {
		own, err := checkedPrivateKey(key)
		if err != nil {
			return fmt.Errorf("setting key %d of %d: %w", i+1, len(keys), err)
		}
		ring[i] = ringKey{private: own, id: KeyID(&own.PublicKey)}
	}
	o.ring.Store(&ring)
	return nil
}

// KeyIDs lists the keys held, in the order in which they were set.
func (o *Opener) KeyIDs() []string {
	ring := *o.ring.Load()
	ids := make([]string, len(ring))
	for i, key := range ring {
		ids[i] = key.id
	}
	return ids
}

// Open opens one record's value and appends the message to dst. The error is
// one of [ErrNotEncrypted], [ErrMalformed], [ErrNoKey], [ErrUnknownKey] and
// [ErrUndecryptable], and carries nothing of the record.
//
// A value is a record of the format rsa if it is base64 of exactly 256, 384 or
// 512 bytes, written the one way that [FormatRSA] says. Other base64 of more
// than 200 characters (cut short, unpadded, wrapped in lines, base64url) looks
// like a record that was damaged. Everything else, and a null value, is not
// encrypted. The format rsa does not bind the topic.
func (o *Opener) Open(dst []byte, _ string, value []byte) (Message, error) {
	if !isBase64(value) {
		return Message{}, ErrNotEncrypted
	}
	if block := decodeBlock(value); block != nil {
		return o.openRSA(dst, block)
	}
	if len(value) > longestText {
		return Message{}, ErrMalformed
	}
	return Message{}, ErrNotEncrypted
}

// openRSA tries every key of the block's size: the format does not name one.
func (o *Opener) openRSA(dst, block []byte) (Message, error) {
	msg := Message{Format: FormatRSA}
	ring := *o.ring.Load()
	if len(ring) == 0 {
		return msg, ErrNoKey
	}
	for _, key := range ring {
		if key.private.Size() != len(block) {
			continue
		}
		plaintext, err := rsa.DecryptOAEP(sha256.New(), nil, key.private, block, nil)
		if err != nil {
			continue // the next key may be the one
		}
		if dst != nil {
			plaintext = append(dst, plaintext...)
		}
		msg.Plaintext, msg.KeyID = plaintext, key.id
		return msg, nil
	}
	return msg, ErrUndecryptable
}

// longestText is how many characters of base64 still pass for a word.
const longestText = 200

// isBlock reports whether the format rsa knows a modulus of so many bytes.
func isBlock(size int) bool { return size == 256 || size == 384 || size == 512 }

// decodeBlock returns nil for what is not a record of the format rsa. It looks
// at the length first, so that a long value is never decoded. Strict refuses a
// second spelling of the same bytes, but skips line breaks; a value with one
// decodes to less than its length promises.
func decodeBlock(value []byte) []byte {
	most := base64.StdEncoding.DecodedLen(len(value))
	size := most / 128 * 128 // the padding stands for up to two bytes
	if !isBlock(size) || base64.StdEncoding.EncodedLen(size) != len(value) {
		return nil
	}
	block := make([]byte, most)
	if n, err := base64.StdEncoding.Strict().Decode(block, value); err != nil || n != size {
		return nil
	}
	return block[:size]
}

// isBase64 reports whether the value is in the alphabets of RFC 4648, sections
// 4 and 5, with line breaks. Text ends the scan at its first blank, so that it
// costs nothing however long it is.
func isBase64(value []byte) bool {
	for _, c := range value {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '+', c == '/', c == '-', c == '_', c == '=', c == '\r', c == '\n':
		default:
			return false
		}
	}
	return true
}
