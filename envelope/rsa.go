package envelope

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// sealRSA seals the format rsa: the whole message in one block.
func sealRSA(dst, plaintext []byte, reader *rsa.PublicKey) ([]byte, error) {
	block, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, reader, plaintext, nil)
	if err != nil {
		return dst, fmt.Errorf("sealing a record: %w", err)
	}
	return base64.StdEncoding.AppendEncode(dst, block), nil
}

// openRSA tries every key of the block's size: the format does not name one.
func (k *keyring) openRSA(msg *Message, dst, block []byte) error {
	if len(k.keys) == 0 {
		return ErrNoKey
	}
	for _, key := range k.keys {
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
		msg.Sender = Sender{State: SenderUnverified, Reason: ReasonUnsigned}
		return nil
	}
	return ErrUndecryptable
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
