package replay

import (
	"cmp"
	"math"
	"slices"
)

// maxIssueTimes is how many steps of a sender's issue times are remembered.
const maxIssueTimes = 32

// issueTimes are the issue times of the data keys of one sender in one partition: for
// each offset, the highest below it. They are steps that rise in offset and in time.
type issueTimes struct {
	by        issuer
	steps     []issueTime
	bytes     int // counted for it
	forgotten bool
}

// issuer is a verified sender of records that were sealed for a partition.
type issuer struct {
	name      string
	sealedFor int32
}

type issueTime struct{ offset, issued int64 }

// never is before every issue time.
const never = math.MinInt64

// upTo returns the highest issue time at this offset or a lower one, or never.
func (t *issueTimes) upTo(offset int64) int64 {
	i := len(t.steps) - 1 // usually this one
	for i >= 0 && t.steps[i].offset > offset {
		i--
	}
	if i < 0 {
		return never
	}
	return t.steps[i].issued
}

// latest returns the highest issue time.
func (t *issueTimes) latest() int64 { return t.steps[len(t.steps)-1].issued }

// add adds a step, which must raise the time at its offset, and removes those behind it
// that are no longer higher. If there are too many, it merges the two that differ least:
// a stale record may then pass, but a fresh one never fails.
func (t *issueTimes) add(offset, issued int64) {
	at, _ := slices.BinarySearchFunc(t.steps, offset, func(s issueTime, offset int64) int { return cmp.Compare(s.offset, offset) })
	end := at
	for end < len(t.steps) && t.steps[end].issued <= issued {
		end++
	}
	t.steps = slices.Replace(t.steps, at, end, issueTime{offset, issued})
	if len(t.steps) <= maxIssueTimes {
		return
	}
	least := 1
	for i := 2; i < len(t.steps)-1; i++ { // neither the first nor the latest
		if t.steps[i].issued-t.steps[i-1].issued < t.steps[least].issued-t.steps[least-1].issued {
			least = i
		}
	}
	t.steps = slices.Delete(t.steps, least, least+1)
}

// startTopic keeps the latest time, for all offsets of a new topic.
func (t *issueTimes) startTopic() {
	t.steps = append(t.steps[:0], issueTime{-1, t.latest()})
}
