package envelope

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
)

// Errors of [Opener.FindHeaders].
var (
	// ErrHeaderLost means that no earlier record of the partition has the header. Lean
	// records with its name do not open, unless a later record has it.
	ErrHeaderLost = errors.New("the header is lost: no earlier record of the partition has it")
	// ErrHeaderFar means that the search reached its limit before it found the header.
	ErrHeaderFar = errors.New("no record within the search's limits has the header")
)

// Bounds of a search.
const (
	firstWindow       = 128
	maxWindow         = 4096
	defaultMaxRecords = 1 << 18
	defaultMaxBytes   = 256 << 20
)

// HeaderSearch tells [Opener.FindHeaders] what to look for and where.
type HeaderSearch struct {
	Topic    string       // as for [Opener.Open]
	Names    []HeaderName // from each [NeedsHeaderError]
	Offset   int64        // of the first lean record
	LogStart int64        // of the first record that the partition still holds; 0 if it is not known
	// Read returns the values of the partition's records with offsets from the first up to
	// but not including the second, in order; fewer if the partition does not hold them all.
	// It must not move the offset of the consumer.
	Read func(from, to int64) iter.Seq2[[]byte, error]
	// MaxRecords and MaxBytes limit what is read: 262,144 records and 256 MiB by default.
	MaxRecords, MaxBytes int
}

// FindHeaders reads backwards from a lean record until it has found the headers. After
// that, the lean records can be opened: those of up to 256 headers, in 2 MiB, whatever else
// is there. It also keeps the other headers that it meets, as far as there is room. It reads in windows that double, up to 4,096 offsets or as far as there
// are no records, each to its end, and each record once. It goes by offsets, because the writer of any record in between
// chooses its timestamp.
//
// The error is [ErrHeaderLost] or [ErrHeaderFar] if a header was not found. The caller
// decides: to pass over the records, to stop, or to read on and try them again, because
// writers repeat their headers. Whoever writes records can make up names, so do not search
// for each: after a search that failed, the headers before it are known as far as the
// limits reach, and another one from the same place finds no more.
//
// It is [ErrUndecryptable] if a header is of another topic, and [ErrMalformed] if it is
// broken: then its lean records never open. The search goes on for the others.
func (o *Opener) FindHeaders(s HeaderSearch) error {
	if err := o.findHeaders(s); err != nil {
		return fmt.Errorf("looking for a header: %w", err)
	}
	return nil
}

func (o *Opener) findHeaders(s HeaderSearch) error {
	wanted := make(map[string]bool)
	for _, name := range s.Names {
		if start := leanStart(name); o.headers.find([]byte(start)) == nil {
			wanted[start] = true
		}
	}
	var found foundHeaders
	defer func() { o.headers.keepAgain(found.headers) }()
	var never error // why some of the lean records never open
	records, size := cmp.Or(s.MaxRecords, defaultMaxRecords), cmp.Or(s.MaxBytes, defaultMaxBytes)
	first, to := max(s.LogStart, 0), s.Offset
	for window := int64(firstWindow); to > first && len(wanted) > 0; window *= 2 {
		from, empty := max(to-window, first), true
		for value, err := range s.Read(from, to) {
			switch {
			case len(wanted) == 0 && (err != nil || records <= 0 || size <= 0):
				return never // the rest of the window need not be read
			case err != nil:
				return fmt.Errorf("reading the offsets %d to %d: %w", from, to-1, err)
			case records <= 0 || size <= 0:
				return errors.Join(ErrHeaderFar, never)
			}
			records, size, empty = records-1, size-len(value), false
			header, err := o.learn(s.Topic, value, wanted)
			found.add(header)
			never = cmp.Or(err, never)
		}
		o.headers.keepAgain(found.headers)
		if to = from; !empty {
			window = min(window, maxWindow/2)
		}
	}
	if len(wanted) > 0 {
		return errors.Join(ErrHeaderLost, never)
	}
	return never
}

// foundHeaders are headers that a search has found, which the others that it meets must not
// push out. Whoever writes records chooses how many there are, so it holds no more than a
// generation of the cache.
type foundHeaders struct {
	headers []*knownHeader
	bytes   int
}

func (f *foundHeaders) add(header *knownHeader) {
	if header == nil || len(f.headers) == generationHeaders || f.bytes+header.size() > generationBytes {
		return
	}
	f.headers = append(f.headers, header)
	f.bytes += header.size()
}

// learn keeps the header of a full record without unwrapping its data key. If it is wanted,
// it is returned, or the error tells why its lean records never open; then it is not wanted
// any more.
func (o *Opener) learn(topic string, value []byte, wanted map[string]bool) (found *knownHeader, err error) {
	if recognize(value) != kindBinary || isLean(value) {
		return nil, nil
	}
	n, err := prefixLen(value)
	if err != nil {
		return nil, nil //nolint:nilerr // a broken record has no header
	}
	prefix := value[:n]
	header := o.headers.find(prefix)
	if header == nil {
		p, err := parsePrefix(prefix)
		switch {
		case err != nil:
			err = ErrMalformed
		case p.topic != topic:
			err = ErrUndecryptable
		}
		if err != nil {
			if start := leanStart(nameOf(prefix)); wanted[start] {
				delete(wanted, start)
				return nil, err
			}
			return nil, nil
		}
		header = o.headers.learn(prefix, p.verifySender(o.trusted), dateOf(p.expires))
	}
	if !wanted[header.lean] {
		return nil, nil
	}
	delete(wanted, header.lean)
	return header, nil
}
