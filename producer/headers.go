package producer

import (
	"errors"
	"time"

	"kafka-e2ee/envelope"
)

// Headers tells which records of FORMAT=envelope contain the header of their data key. The others name it, and are some
// hundred bytes shorter. The zero value means that all contain it.
type Headers struct {
	HeaderRecords  int           `envconfig:"HEADER_RECORDS" default:"64" desc:"for FORMAT=envelope: one of so many records of a partition contains the header, the others name it and are shorter, at most 1024; if headers would take more than a tenth of the bytes, fewer contain it; 1: all contain it, as programs other than ours require"`
	HeaderInterval time.Duration `envconfig:"HEADER_INTERVAL" default:"1s" desc:"for FORMAT=envelope: a record contains the header if the latest one in its partition is so old, at most 1m; 0s: all contain it"`
}

func (h Headers) check() error {
	var problems []error
	if h.HeaderRecords < 0 || h.HeaderRecords > 1024 {
		problems = append(problems, errors.New("HEADER_RECORDS: want 1 to 1024"))
	}
	if h.HeaderInterval < 0 || h.HeaderInterval > time.Minute {
		problems = append(problems, errors.New("HEADER_INTERVAL: want 0s to 1m"))
	}
	return errors.Join(problems...)
}

// lean reports whether there are records without a header.
func (h Headers) lean() bool { return h.HeaderRecords > 1 && h.HeaderInterval > 0 }

// policy waits for Kafka's acknowledgment of a header before records without it follow: Kafka may refuse one record and
// take those behind it.
func (h Headers) policy() envelope.HeaderPolicy {
	if !h.lean() {
		return envelope.HeaderPolicy{}
	}
	return envelope.HeaderPolicy{Records: h.HeaderRecords, Interval: h.HeaderInterval, AwaitStored: true}
}
