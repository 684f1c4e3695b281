// Package wire reads the primitive types of Kafka's protocol from a broker's bytes, which may be malformed:
// https://kafka.apache.org/protocol#protocol_types.
//
// It exists because the decoders of kmsg loop once for each tagged field that a response claims to have, up to 4 billion
// of them, even if the bytes have ended. A broker could stop a client with a few bytes.
package wire

import (
	"encoding/binary"
	"math"
)

// Reader reads primitive types one after the other. Once a value is malformed, Left is nil, and all further values are
// zero.
type Reader struct {
	Left     []byte // what was not read yet
	Flexible bool   // lengths are varints and structures end with tagged fields (KIP-482)
}

// Take reads n bytes. They are not copied.
func (r *Reader) Take(n int64) []byte {
	if n < 0 || n > int64(len(r.Left)) {
		r.Left = nil
		return nil
	}
	taken := r.Left[:n]
	r.Left = r.Left[n:]
	return taken
}

// Skip skips n bytes. -1, the length of a null, skips none.
func (r *Reader) Skip(n int64) {
	if n != -1 {
		r.Take(n)
	}
}

// Int16 reads two bytes.
func (r *Reader) Int16() int16 {
	if b := r.Take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

// Int32 reads four bytes.
func (r *Reader) Int32() int32 {
	if b := r.Take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

// Int64 reads eight bytes.
func (r *Reader) Int64() int64 {
	if b := r.Take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// Varint reads a zigzag varint.
func (r *Reader) Varint() int64 {
	v, n := binary.Varint(r.Left)
	if n <= 0 {
		r.Left = nil
		return 0
	}
	r.Left = r.Left[n:]
	return v
}

// Uvarint reads an unsigned varint. More than 2³¹-1 is malformed.
func (r *Reader) Uvarint() int64 {
	v, n := binary.Uvarint(r.Left)
	if n <= 0 || v > math.MaxInt32 {
		r.Left = nil
		return 0
	}
	r.Left = r.Left[n:]
	return int64(v)
}

// Size reads the length of bytes. A null has the length -1.
func (r *Reader) Size() int64 {
	if r.Flexible {
		return r.Uvarint() - 1
	}
	return int64(r.Int32())
}

// AppendSize writes a length as Size reads it.
func (r *Reader) AppendSize(out []byte, n int) []byte {
	if r.Flexible {
		return binary.AppendUvarint(out, uint64(n)+1)
	}
	return binary.BigEndian.AppendUint32(out, uint32(n))
}

// StringSize reads the length of a string. A null has the length -1.
func (r *Reader) StringSize() int64 {
	if r.Flexible {
		return r.Uvarint() - 1
	}
	return int64(r.Int16())
}

// Count reads the number of elements of an array. More elements than bytes are malformed.
func (r *Reader) Count() int64 {
	n := r.Size()
	if n > int64(len(r.Left)) {
		r.Left = nil
		return 0
	}
	return max(n, 0)
}

// Tags skips tagged fields, which clients may ignore.
func (r *Reader) Tags() {
	if !r.Flexible {
		return
	}
	for n := r.Uvarint(); n > 0 && r.Left != nil; n-- {
		r.Uvarint()
		r.Skip(r.Uvarint())
	}
}

// Done reports whether the bytes were well-formed and all were read.
func (r *Reader) Done() bool { return r.Left != nil && len(r.Left) == 0 }
