package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"kafka-e2ee/envelope"
)

// openAll opens a stream of records and writes one line for each message. A record that is
// refused is a note, and the rest is read. The opener keeps the headers, so lean records
// open after a full one.
func (t *tool) openAll(opener *envelope.Opener, topic string) error {
	in := bufio.NewReader(t.in)
	records, bad := 0, 0
	for {
		record, err := nextRecord(in)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading record %d: %w", records+1, err)
		}
		records++
		if record == nil {
			t.note("record %d: it has no value", records)
			continue
		}
		msg, err := opener.Open(nil, topic, record)
		if err != nil {
			bad++
			t.note("record %d: %v", records, refused(err, topic, record))
			continue
		}
		if err := t.write(append(msg.Plaintext, '\n')); err != nil {
			return err
		}
	}
	switch {
	case records == 0:
		return wrong("the input is empty (hint: kcat -C -e -D '' -f '%%R%%s' writes such a stream)")
	case bad > 0:
		return fmt.Errorf("%d of %d records were refused", bad, records)
	}
	return nil
}

// nextRecord reads the length of a record, 4 bytes in big-endian order, and the record. A
// length of -1 is a null value.
func nextRecord(in io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(in, size[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, errors.New("the stream ends in a length")
		}
		return nil, err
	}
	n := int32(binary.BigEndian.Uint32(size[:]))
	switch {
	case n == -1:
		return nil, nil
	case n < 0 || n > maxInput:
		return nil, fmt.Errorf("got a length of %d, want at most %d (hint: -stream takes what kcat -f '%%R%%s' writes)", n, maxInput)
	}
	record := make([]byte, n)
	if _, err := io.ReadFull(in, record); err != nil {
		return nil, fmt.Errorf("the stream ends in a record of %d bytes", n)
	}
	return record, nil
}
