package web

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"kafka-e2ee/web/limit"
	"kafka-e2ee/web/pages"
)

// Without this a viewer who keeps up would be dropped for one who does not: whoever holds the memory longest must go first,
// whether in many small frames or in a large one.
func TestStalledViewerGoesFirst(t *testing.T) {
	small, large := make([]byte, 1<<10), make([]byte, maxQueuedBytes-1<<10)
	for name, test := range map[string]struct{ stalled, honest [][]byte }{
		"stalled on one large frame":          {[][]byte{large}, [][]byte{small, small}},
		"stalled on many small ones":          {[][]byte{small, small, small}, [][]byte{large}},
		"stalled on a small one":              {[][]byte{small}, [][]byte{large, small}},
		"stalled on as many as the other one": {[][]byte{small}, [][]byte{small}},
	} {
		for _, turns := range []int{0, 1, maxQueued, 3*maxQueued + 1} { // that both have kept up before
			b := newBroadcaster()
			b.budget = limit.NewBudget(2*maxQueuedBytes, 0)
			frameOf := func(body []byte) *frame {
				f, ok := newFrame(body, b.budget)
				if !ok {
					t.Fatal("there is no memory for the frames")
				}
				return f
			}
			viewers := make(map[string]*viewer)
			queue := func(who string, body []byte) {
				f := frameOf(body)
				defer f.release()
				if v := viewers[who]; v == nil {
					viewers[who] = b.add(audience{lang: who}, pages.Localizer{}, f)
				} else if !v.enqueue(f) {
					t.Fatalf("%s: the queue of the %s viewer is full", name, who)
				}
			}
			for _, who := range []string{"stalled", "honest"} {
				queue(who, small)
				take(viewers[who])
				for range turns {
					queue(who, small)
					take(viewers[who])
				}
			}
			for _, body := range test.stalled {
				queue("stalled", body)
			}
			for _, body := range test.honest {
				queue("honest", body)
			}
			b.groups[audience{lang: "other"}] = &group{viewers: map[*viewer]struct{}{newViewer(): {}}}
			for rest := int64(maxQueuedBytes); rest > 0; {
				if _, ok := b.budget.TryReserve(rest); !ok {
					rest /= 2
				}
			}
			b.send(audience{lang: "other"}, small[:1])
			if got := testutil.ToFloat64(b.dropped); got != 1 || b.groups[audience{lang: "stalled"}] != nil || b.groups[audience{lang: "honest"}] == nil {
				t.Errorf("%s, after %d turns: %v were dropped, the honest one among them: %v", name, turns, got, b.groups[audience{lang: "honest"}] == nil)
			}
		}
	}
}

// Without this a viewer who keeps up would count as slow because of frames that were sent long ago.
func TestViewerIsBehindSinceItsNextFrame(t *testing.T) {
	budget := limit.NewBudget(1<<20, 0)
	v := newViewer()
	if _, behind := v.behindSince(); behind {
		t.Error("a viewer without a frame is behind")
	}
	enqueue := func() {
		f, _ := newFrame([]byte("x"), budget)
		defer f.release()
		if !v.enqueue(f) {
			t.Fatal("the queue is full")
		}
	}
	for range 2*maxQueued + 3 {
		enqueue()
		first, _ := v.behindSince()
		enqueue()
		if second, behind := v.behindSince(); !behind || !second.Equal(first) {
			t.Error("a later frame counts instead of the next one")
		}
		take(v)
		if second, behind := v.behindSince(); !behind || !second.After(first) {
			t.Error("a frame that was taken counts")
		}
		take(v)
		if _, behind := v.behindSince(); behind {
			t.Error("a viewer that has taken all frames is behind")
		}
	}
}
