package producer

import (
	"bytes"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"
)

// BenchmarkPipeline seals lines while 500 records are in flight. It shows what the pools of batches are for. It compares lean records with full ones.
func BenchmarkPipeline(b *testing.B) {
	public := rsaPEM(b, 3072)
	for _, size := range []int{100, 1000, 10_000} {
		for name, records := range map[string]string{"lean": "64", "full": "1"} {
			b.Run(fmt.Sprint(size, "/", name), func(b *testing.B) { benchmarkPipeline(b, size, public, records) })
		}
	}
}

func benchmarkPipeline(b *testing.B, size int, public, records string) {
	cfg, err := Load(from(map[string]string{"PUBKEY": public, "FORMAT": "envelope", "HEADER_RECORDS": records}))
	if err != nil {
		b.Fatal(err)
	}
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
	var pool sentBatchPool
	var inFlight []*sentBatch
	before := cpuTime(b)
	b.ResetTimer()
	err = p.run(b.Context(), func(records []record) {
		batch := pool.get(len(records), int64(len(records)*minWeight))
		for i := range records {
			r := &records[i]
			if r.err != nil {
				b.Fatal(r.err)
			}
			r.sent = batch.add(r, false)
			if err := batch.seal(p.sealer, r); err != nil {
				b.Fatal(err)
			}
		}
		if inFlight = append(inFlight, batch); len(inFlight)*batchLines < 500 {
			return
		}
		for _, batch := range inFlight {
			for i := range batch.records {
				p.sealer.stored(&batch.records[i])
			}
			pool.put(batch)
		}
		inFlight = inFlight[:0]
	})
	if source.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// cpuTime returns the time that the processor spent on this process in user mode. Unlike the wall clock, it does not count
// other programs.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano())
}
