package query

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net"
	"slices"
	"testing"

	"github.com/IBM/sarama"
	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-e2ee/consumer/fetchlimit"
)

const (
	perBatch  = 100
	valueSize = 1000
)

// wireBatch makes a batch of perBatch records as it is stored.
func wireBatch(t *testing.T, first int64, compressed bool) []byte {
	t.Helper()
	b := kmsg.RecordBatch{FirstOffset: first, Magic: 2, LastOffsetDelta: perBatch - 1, NumRecords: perBatch}
	for i := range perBatch {
		value := make([]byte, valueSize)
		if _, err := rand.Read(value); err != nil { // so that each batch needs a response of its own
			t.Fatal(err)
		}
		r := kmsg.Record{OffsetDelta: int32(i), Value: value}
		r.Length = int32(len(r.AppendTo(nil)) - 1) // the length is 0 so far, which takes one byte
		b.Records = r.AppendTo(b.Records)
	}
	if compressed {
		encoder, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		b.Attributes, b.Records = int16(sarama.CompressionZSTD), encoder.EncodeAll(b.Records, nil)
	}
	out := b.AppendTo(nil)
	binary.BigEndian.PutUint32(out[8:], uint32(len(out)-12))
	binary.BigEndian.PutUint32(out[17:], crc32.Checksum(out[21:], crc32.MakeTable(crc32.Castagnoli)))
	return out
}

// serve answers fetches with the batches from the requested offset on, as many as fit, and at least one.
func serve(conn net.Conn, batches [][]byte, answered *int) error {
	for {
		size := make([]byte, 4)
		if _, err := io.ReadFull(conn, size); err != nil {
			return err
		}
		body := make([]byte, binary.BigEndian.Uint32(size))
		if _, err := io.ReadFull(conn, body); err != nil {
			return err
		}
		request := &kmsg.FetchRequest{Version: int16(binary.BigEndian.Uint16(body[2:]))}
		client := int(binary.BigEndian.Uint16(body[8:])) // the length of its id
		if err := request.ReadFrom(body[10+client:]); err != nil {
			return err
		}
		asked := request.Topics[0].Partitions[0]
		p := kmsg.NewFetchResponseTopicPartition()
		p.HighWatermark, p.LastStableOffset = int64(len(batches)*perBatch), int64(len(batches)*perBatch)
		for _, b := range batches[min(int(asked.FetchOffset/perBatch), len(batches)):] {
			if len(p.RecordBatches) > 0 && len(p.RecordBatches)+len(b) > int(asked.PartitionMaxBytes) {
				break
			}
			p.RecordBatches = append(p.RecordBatches, b...)
		}
		response := &kmsg.FetchResponse{Version: request.Version, Topics: []kmsg.FetchResponseTopic{{Topic: "t", Partitions: []kmsg.FetchResponseTopicPartition{p}}}}
		*answered++
		answer := response.AppendTo(append(make([]byte, 4), body[4:8]...))
		binary.BigEndian.PutUint32(answer, uint32(len(answer)-4))
		if _, err := conn.Write(answer); err != nil {
			return err
		}
	}
}

// onlyConfig is all that Fetch needs of a client.
type onlyConfig struct {
	sarama.Client
	conf *sarama.Config
}

func (c onlyConfig) Config() *sarama.Config { return c.conf }

type dialer func() (net.Conn, error)

func (d dialer) Dial(string, string) (net.Conn, error) { return d() }

// fetchAll returns the offsets that are read of a partition with these batches, over a connection that bounds responses, and
// the number of responses.
func fetchAll(t *testing.T, batches [][]byte) (offsets []int64, answered int, err error) {
	t.Helper()
	near, far := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- serve(far, batches, &answered) }()
	conf := sarama.NewConfig()
	conf.Version, conf.ApiVersionsRequest, conf.Net.Proxy.Enable = sarama.V2_3_0_0, false, true
	conf.Net.Proxy.Dialer = dialer(func() (net.Conn, error) { return fetchlimit.New(fetchlimit.MinBatch).SeparateConn(near), nil })
	leader := sarama.NewBroker("broker:9092")
	if err := leader.Open(conf); err != nil {
		t.Fatal(err)
	}
	c := &Client{Client: onlyConfig{conf: conf}, topic: "t"}
	all := &Range{End: int64(len(batches) * perBatch)}
	for !all.Done && all.Err == nil {
		err := c.Fetch(leader, []*Range{all}, 150_000, func(m *sarama.ConsumerMessage) { offsets = append(offsets, m.Offset) })
		if err != nil {
			t.Fatal(err)
		}
	}
	leader.Close()
	if err := <-served; !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	return offsets, answered, all.Err
}

// Without it the history and the search for headers would pass over a compressed batch behind large ones that are not: its records
// would not be shown and count as missing, and a header in it would be lost. Package fetchlimit cuts it off, to be requested
// again.
func TestBatchThatIsCutOffIsRequestedAgain(t *testing.T) {
	var batches [][]byte
	for i := range int64(12) {
		batches = append(batches, wireBatch(t, i*perBatch, i >= 8))
	}
	offsets, answered, err := fetchAll(t, batches)
	var want []int64
	for i := range int64(len(batches) * perBatch) {
		want = append(want, i)
	}
	if err != nil || !slices.Equal(offsets, want) {
		t.Errorf("%d of %d records were read, %v", len(offsets), len(want), err)
	}
	if answered <= len(batches) {
		t.Errorf("%d responses: no batch was cut off", answered)
	}
}

// Without it a broker could have such a batch requested without a pause, for ever.
func TestBatchThatStaysCutOffIsAnError(t *testing.T) {
	batch := wireBatch(t, 0, false)
	offsets, answered, err := fetchAll(t, [][]byte{batch[:len(batch)-1]})
	if !errors.Is(err, sarama.ErrInvalidMessage) || len(offsets) > 0 || answered != maxCutOff+1 {
		t.Errorf("%d responses, %d records, %v", answered, len(offsets), err)
	}
}
