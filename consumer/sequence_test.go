package consumer

import (
	"fmt"
	"slices"
	"testing"

	"kafka-e2ee/envelope"
	"kafka-e2ee/web/feed"
)

// Without it a partition that comes back from another pod would show a false gap, or one that was read without a break
// would hide a real one.
func TestGaps(t *testing.T) {
	key := newKey(t)
	p, s := newPipeline(t), newSealer(t, key, envelope.FormatEnvelope)
	useKeys(t, p, key)
	values := sealedTexts(t, s, 40)
	var b batchBuffers
	p.process(&b, messages(0, values[:10]...))
	p.resume(0, 10) // the same pod continues
	p.process(&b, messages(10, values[12:20]...))
	if got := flagged(p); !slices.Equal(got, []int64{10}) {
		t.Errorf("flagged: %v, want the record after the gap", got)
	}
	p.resume(0, 28) // another pod has read in the meantime
	p.process(&b, messages(28, values[30:40]...))
	if got, want := flagsByOffset(p), map[int64]feed.Flags{10: {Missing: 2}, 28: {Unfollowed: true}}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v: records that another pod has read are not missing", got, want)
	}
}
