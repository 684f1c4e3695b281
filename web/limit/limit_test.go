package limit

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"
)

// Without this slow viewers could use up the pod's memory, or memory would be lost with each answer.
func TestBudget(t *testing.T) {
	b := NewBudget(100, time.Hour)
	all, ok := b.Reserve(t.Context(), 101)
	if !ok || all.bytes != 100 {
		t.Fatal("an answer larger than the budget is never sent")
	}
	if _, ok := b.TryReserve(1); ok {
		t.Error("more is reserved than there is")
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok := b.Reserve(canceled, 1); ok {
		t.Error("more is reserved than there is, for a client that has gone")
	}
	for range maxWaiting {
		b.waiting <- struct{}{}
	}
	if _, ok := b.Reserve(t.Context(), 1); ok {
		t.Error("more is reserved than there is, though too many wait")
	}
	<-b.waiting
	waited := make(chan bool)
	go func() {
		_, ok := b.Reserve(t.Context(), 60)
		waited <- ok
	}()
	all.Keep(40)
	if !<-waited {
		t.Error("who waits gets nothing of what is given back")
	}
	all.Release()
	all.Release() // does no harm
	if _, ok := b.TryReserve(41); ok {
		t.Error("what is given back twice counts twice")
	}
	if _, ok := b.TryReserve(40); !ok {
		t.Error("what is given back is lost")
	}
}

// watched is an answer that records its time limits.
type watched struct {
	*httptest.ResponseRecorder
	limits []time.Time
}

func (w *watched) SetWriteDeadline(limit time.Time) error {
	w.limits = append(w.limits, limit)
	return nil
}

// Without this a viewer who receives nothing would hold a part of the memory that all viewers share.
func TestWriterLimitsEachPiece(t *testing.T) {
	w := &watched{ResponseRecorder: httptest.NewRecorder()}
	out := NewWriter(w)
	start := time.Now()
	if n, err := out.Write(make([]byte, 3*PieceSize+1)); err != nil || n != 3*PieceSize+1 || w.Body.Len() != n {
		t.Fatalf("wrote %d of %d bytes, %v", w.Body.Len(), n, err)
	}
	if len(w.limits) != 4 {
		t.Errorf("%d limits for four pieces", len(w.limits))
	}
	out.end = start.Add(time.Second)
	if _, err := out.Write([]byte("x")); err != nil || !w.limits[4].Equal(out.end) {
		t.Errorf("the answer as a whole has the limit %v, want %v, %v", w.limits[4], out.end, err)
	}
}
