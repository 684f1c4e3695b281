package harness

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// RSAJunk looks like a record of the format rsa, for a key of 3072 bits.
func RSAJunk() []byte {
	block := make([]byte, 384)
	rand.Read(block)
	block[0] &= 0x7f // less than any modulus, or it would be refused at once
	return []byte(base64.StdEncoding.EncodeToString(block))
}

// EnvelopeJunk looks like the first record of a data key for this reader, and if there is a sender, like one that he
// signed. It only cannot be opened.
func EnvelopeJunk(reader, sender string) []byte {
	const readers, wrapped, rest = 1, 384, 12 + 16 + 16
	random := make([]byte, 32+64+wrapped+rest)
	rand.Read(random)
	commitment, signature, block, sealed := random[:32], random[32:96], random[96:96+wrapped], random[96+wrapped:]
	signature[63] &= 0x0f // a number that Ed25519 accepts, or it would be refused at once
	block[0] &= 0x7f
	sealed[0] &= 0x7f // a partition

	record := append([]byte{0xC1, 0, byte(len(Topic))}, Topic...)
	record = append(record, commitment...)
	now := uint64(time.Now().Unix())
	record = binary.BigEndian.AppendUint64(record, now)
	record = binary.BigEndian.AppendUint64(record, now+4500)
	if sender != "" {
		record[1] = 1
		record = append(append(record, fromID(sender)...), signature...)
	}
	record = append(append(record, readers), fromID(reader)...)
	record = binary.BigEndian.AppendUint16(record, wrapped)
	return append(append(record, block...), sealed...)
}

func fromID(id string) []byte {
	raw, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil {
		panic(err)
	}
	return raw
}
