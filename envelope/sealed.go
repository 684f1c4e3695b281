package envelope

import (
	"errors"
	"fmt"
	"time"
)

// Sealed is what a sealer knows of a record that it sealed. Whoever may have to seal its
// message again keeps it beside the record, instead of the message. The zero value is that
// of a record in the format rsa.
type Sealed struct {
	key  *dataKey // a pointer, so that printing it shows no key
	full bool
}

// Format keeps fmt from printing the key inside.
func (s Sealed) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "sealed, expires %s", s.Expires()) //nolint:errcheck // fmt takes no error from here
}

// Expires returns when the record's data key expires. A record that was not written by then
// must not be written any more: readers take it for one that was held back. In the format
// rsa, the time is zero: such records do not expire.
func (s Sealed) Expires() time.Time {
	if s.key == nil {
		return time.Time{}
	}
	return time.Unix(int64(s.key.parts.expires), 0)
}

// Open appends the message of the record to dst, which must not overlap the value. It needs
// no private key, because the sealer knows the data key. It cannot open a record of the
// format rsa. With an error, Open returns dst unchanged.
func (s Sealed) Open(dst, value []byte) ([]byte, error) {
	message, err := s.open(dst, value)
	if err != nil {
		return dst, fmt.Errorf("opening a sealed record: %w", err)
	}
	return message, nil
}

var errNoDataKey = errors.New("it has no data key")

func (s Sealed) open(dst, value []byte) ([]byte, error) {
	if s.key == nil {
		return nil, errNoDataKey
	}
	var r record
	var err error
	if recognize(value) == kindCompact {
		r, _, err = parseCompact(value)
	} else {
		r, err = parseEnvelope(value)
	}
	if err != nil {
		return nil, err
	}
	message, err := s.key.aead.Open(dst, r.iv, r.sealed, s.key.aad)
	if err != nil {
		return nil, ErrUndecryptable
	}
	return message, nil
}
