package producer

import (
	"bytes"
	"fmt"
	"io"
	"testing"
)

// BenchmarkPipeline seals lines while 500 records are in flight. It shows what the pools of messages and batches are for.
func BenchmarkPipeline(b *testing.B) {
	cfg, err := Load(from(map[string]string{"PUBKEY": rsaPEM(b, 2048), "FORMAT": "envelope"}))
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			line := append(bytes.Repeat([]byte("x"), size), '\n')
			source, sink := io.Pipe()
			go func() {
				many := bytes.Repeat(line, 1+(1<<20)/len(line))
				for {
					if _, err := sink.Write(many); err != nil {
						return
					}
				}
			}()
			cfg.Count = uint64(b.N)
			p := &pipeline{
				drainCtx: b.Context(), cfg: cfg, in: source, batches: newBatchPool(),
				sealer:      testSealer(b, cfg, io.Discard),
				partitioner: &partitioner{writable: func() ([]int32, error) { return []int32{0}, nil }, onWait: ignoreWait},
			}
			b.ReportAllocs()
			b.SetBytes(int64(size))
			inFlight := make([]*pooledMessage, 0, 500)
			b.ResetTimer()
			err := p.run(b.Context(), func(r record) {
				if r.err != nil {
					b.Fatal(r.err)
				}
				if _, err := p.sealer.seal(r.message); err != nil {
					b.Fatal(err)
				}
				if inFlight = append(inFlight, r.message); len(inFlight) == cap(inFlight) {
					for _, m := range inFlight {
						m.free()
					}
					inFlight = inFlight[:0]
				}
			})
			if source.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
