package bench_test

import (
	"bufio"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/kafkaconf"
)

// plain sends the lines unencrypted, and does nothing else: with the producer's client settings, its way to read lines
// into buffers that are used again, its limit on records in flight, and its way to choose partitions.
func (w workload) plain(b *testing.B, addr, topic string, codec sarama.CompressionCodec) rate {
	b.Helper()
	c, err := kafkaconf.Settings{Brokers: []string{addr}}.Sarama("plain")
	if err != nil {
		b.Fatal(err)
	}
	c.Producer.RequiredAcks, c.Producer.Idempotent, c.Net.MaxOpenRequests = sarama.WaitForAll, true, 1
	c.Producer.Return.Successes, c.Producer.MaxMessageBytes, c.Producer.Compression = true, 4<<20, codec
	c.Producer.Partitioner = sarama.NewManualPartitioner
	watch := startWatch()
	p, err := sarama.NewAsyncProducer([]string{addr}, c)
	if err != nil {
		b.Fatal(err)
	}
	f, err := os.Open(w.file)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	buffers := make(chan []byte, min(4096, max(16<<20/w.size, 1))) // free ones
	for range cap(buffers) {
		buffers <- nil
	}
	var answers sync.WaitGroup
	free := func(m *sarama.ProducerMessage) {
		if line, ok := m.Value.(sarama.ByteEncoder); ok {
			buffers <- line
		}
	}
	answers.Go(func() {
		for m := range p.Successes() {
			free(m)
		}
	})
	answers.Go(func() {
		for failed := range p.Errors() {
			b.Error(failed.Err)
			free(failed.Msg)
		}
	})
	partitions := sticky{partition: rand.Int32N(benchPartitions)}
	for in := bufio.NewReaderSize(f, 64<<10); ; {
		line, err := readLine(in, (<-buffers)[:0])
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		p.Input() <- &sarama.ProducerMessage{Topic: topic, Partition: partitions.next(len(line)), Value: sarama.ByteEncoder(line)}
	}
	p.AsyncClose()
	answers.Wait()
	return watch.stop(w.records)
}

// readLine reads a line into a buffer, without its newline.
func readLine(in *bufio.Reader, line []byte) ([]byte, error) {
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line[:max(len(line)-1, 0)], err
		}
	}
}

// sticky chooses partitions as the producer does: the next one after 64 KiB or 100 ms. It looks at the clock for every 64th
// record, as the producer does for the lines of a batch.
type sticky struct {
	partition  int32
	left       int
	records    int
	now, until time.Time
}

func (s *sticky) next(size int) int32 {
	if s.records%64 == 0 {
		s.now = time.Now()
	}
	if s.records++; s.left <= 0 || s.now.After(s.until) {
		s.partition = (s.partition + 1) % benchPartitions
		s.left, s.until = 64<<10, s.now.Add(100*time.Millisecond)
	}
	s.left -= size
	return s.partition
}
