package replay

import (
	"fmt"
	"strings"
)

// Flags mark what is unusual about a record; SPEC.md, section 10. The zero value flags
// nothing.
type Flags struct {
	// Repeat: the same record also stands at another offset. First is that offset,
	// or -1 if the tracker does not know it or it is of a former topic.
	Repeat bool
	First  int64
	// Missing is how many records before this one were not seen: late, expired,
	// withheld, or never written.
	Missing uint64
	// Late: records sealed after this one were seen before it, and this one was not,
	// as far as the tracker knows.
	Late bool
	// Moved: the record was sealed for another partition, SealedFor.
	Moved     bool
	SealedFor int32
	// Stale: the record was appended after its data key had expired. It was held back
	// or is a replay.
	Stale bool
	// Unfollowed: the tracker has not followed its data key up to this record, so it
	// cannot tell whether records before it are missing or this one is a repeat.
	Unfollowed bool
	// Unbound: a JWE that names no topic, so it may have been copied from another.
	Unbound bool
}

// String lists the flags in words, for logs and command lines.
func (f Flags) String() string {
	var words []string
	add := func(set bool, format string, values ...any) {
		if set {
			words = append(words, fmt.Sprintf(format, values...))
		}
	}
	add(f.Stale, "stale")
	add(f.Repeat && f.First >= 0, "repeat of offset %d", f.First)
	add(f.Repeat && f.First < 0, "repeat")
	add(f.Missing > 0, "%d missing before it", f.Missing)
	add(f.Late, "late")
	add(f.Unfollowed, "not followed before")
	add(f.Moved, "moved from partition %d", f.SealedFor)
	add(f.Unbound, "not bound to a topic")
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}
