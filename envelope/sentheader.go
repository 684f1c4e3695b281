package envelope

import (
	"cmp"
	"fmt"
	"time"
)

// Bounds of [HeaderPolicy].
const (
	maxHeaderRecords      = 1 << 10
	maxHeaderInterval     = time.Minute
	defaultHeaderInterval = time.Second
	headerShare           = 10 // headers take at most one byte in so many
)

// HeaderPolicy tells which records of the format envelope are full: they contain the
// header. The others are lean: they name it, and a reader opens them with the header of a
// full one; SPEC.md, section 5.1. The other formats have no lean records.
//
// In each partition, the first record of a data key is full, and the next one as soon as
// one of the limits is reached. If the header is so long, for many readers, that it would
// take more than a tenth of the bytes, Records grows as far as necessary, at most to 1,024.
type HeaderPolicy struct {
	Records  int           // 1 to 1,024; the default is 1: all records are full
	Interval time.Duration // at most a minute; the default is a second. It is measured in steps of 10 ms.
	// AwaitStored makes every record full until [Sealer.Stored] was called with a full one of the
	// same data key and partition. Otherwise, if the log refuses the first full record, the lean
	// ones behind it open only with the next full one, and never if there is none.
	AwaitStored bool
}

func (p HeaderPolicy) orDefaults() (HeaderPolicy, error) {
	p.Records, p.Interval = cmp.Or(p.Records, 1), cmp.Or(p.Interval, defaultHeaderInterval)
	switch {
	case p.Records < 1 || p.Records > maxHeaderRecords:
		return p, fmt.Errorf("got a header in one of %d records, want 1 to %d", p.Records, maxHeaderRecords)
	case p.Interval < 0 || p.Interval > maxHeaderInterval:
		return p, fmt.Errorf("got a header every %s, want a positive time of at most %s", p.Interval, maxHeaderInterval)
	}
	return p, nil
}

// sentHeader is what was sealed for a partition since its last full record, with it.
type sentHeader struct {
	at      time.Time
	records int // 0 if the next one must be full
	bytes   int
	stored  bool // the log has a full record
}

// due reports whether the next record must be full.
func (h *sentHeader) due(now time.Time, p HeaderPolicy, headerSize int) bool {
	age := now.Sub(h.at)
	return h.records == 0 || p.AwaitStored && !h.stored || h.records >= maxHeaderRecords || age >= p.Interval || age < 0 ||
		h.records >= p.Records && (p.Records == 1 || h.bytes >= headerShare*headerSize)
}

// add counts a record.
func (h *sentHeader) add(full bool, now time.Time, size int) {
	if full {
		*h = sentHeader{at: now, stored: h.stored}
	}
	h.records++
	h.bytes += size
}
