package producer

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
)

// failingReader returns a line. Then it calls cancel and fails.
type failingReader struct {
	cancel   func()
	lineRead bool
	err      error
}

func (f *failingReader) Read(p []byte) (int, error) {
	if f.lineRead {
		f.cancel()
		return 0, f.err
	}
	f.lineRead = true
	return copy(p, "a\n"), nil
}

// Without it a failed input would count as complete if the program was stopped at that moment.
func TestInputErrorIsReportedWhenStopped(t *testing.T) {
	cfg, err := Load(from(map[string]string{"PUBKEY": rsaPEM(t, 2048)}))
	if err != nil {
		t.Fatal(err)
	}
	for range 50 { // select chooses at random between two ready channels
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			broken := errors.New("broken")
			p := &pipeline{
				drainCtx: t.Context(), cfg: cfg, in: &failingReader{cancel: cancel, err: broken}, batches: newBatchPool(),
				sealer:      testSealer(t, cfg, io.Discard),
				partitioner: &partitioner{writable: func() ([]int32, error) { return []int32{0}, nil }, onWait: ignoreWait},
			}
			handled := 0
			err := p.run(ctx, func(batch []record) {
				handled += len(batch)
				synctest.Wait() // the input has failed by now
			})
			if !errors.Is(err, broken) || handled != 1 {
				t.Fatalf("got error %v after %d records, want the input's error after one", err, handled)
			}
		})
	}
}
