package web

import (
	"bufio"
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"

	"kafka-e2ee/web/feed"
)

// csvHeader is the first line of a CSV file (RFC 4180). Headers and the bytes in Kafka are in JSON lines only.
const csvHeader = "topic,partition,offset,timestamp,timestamp_ms,state,reason,key_id,sender,sender_name,sender_key_id,flags,reject_reason,record_key,record_key_encoding,value,encoding\r\n"

// writeCSV writes a record as a line. It writes the bytes in pieces, as writeRecord does. encoding/csv would need them
// whole, and would change the line ends within them.
func (s *Server) writeCSV(out *bufio.Writer, r feed.Entry) error {
	about := s.about(r)
	timestamp, millis := "", ""
	if about.Timestamp != nil {
		timestamp = *about.Timestamp
	}
	if about.Millis != nil {
		millis = strconv.FormatInt(*about.Millis, 10)
	}
	line := csvLine{out: out}
	for _, text := range []string{
		about.Topic, strconv.Itoa(int(about.Partition)), strconv.FormatInt(about.Offset, 10), timestamp, millis, string(about.State), about.Reason, about.KeyID,
		string(about.Sender.State), about.Sender.Name, about.Sender.KeyID, strings.Join(about.Flags, " "), string(about.RejectReason),
	} {
		line.text(text)
	}
	line.value(r.Key)
	line.value(shownMessage(r.Record))
	_, err := out.WriteString("\r\n") // the first error of all writes
	return err
}

// csvLine is a line of a CSV file. Each field is in quotes, and a ' stands before what a spreadsheet could take for a
// formula: at the start of a field, and after a ; or a line end, where spreadsheets of some countries start a field.
type csvLine struct {
	out     *bufio.Writer
	started bool // a field is before this one
	atStart bool // of what can be a field
}

func (l *csvLine) text(s string) {
	l.begin()
	_, _ = l.Write([]byte(s)) //nolint:errcheck // out keeps its first error
	l.end()
}

// value writes bytes as text if they are valid UTF-8, else as base64, and their encoding; both are empty for null.
func (l *csvLine) value(b []byte) {
	l.begin()
	encoding := ""
	switch {
	case b == nil:
	case utf8.Valid(b):
		_, _ = l.Write(b) //nolint:errcheck // out keeps its first error
		encoding = "utf-8"
	default:
		encoder := base64.NewEncoder(base64.StdEncoding, l)
		_, _ = encoder.Write(b) //nolint:errcheck // out keeps its first error
		_ = encoder.Close()     //nolint:errcheck // the same
		encoding = "base64"
	}
	l.end()
	l.text(encoding)
}

func (l *csvLine) begin() {
	if l.started {
		l.byte(',')
	}
	l.byte('"')
	l.started, l.atStart = true, true
}

func (l *csvLine) end() { l.byte('"') }

func (l *csvLine) byte(b byte) { _ = l.out.WriteByte(b) } //nolint:errcheck // out keeps its first error

// Write writes a part of a field. It must not end within a character.
func (l *csvLine) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if l.atStart && strings.ContainsRune("=+-@\t\r\n＝＋－＠", r) {
			l.byte('\'')
		}
		l.atStart = l.atStart && r == ' ' || strings.ContainsRune(";\t\r\n", r)
		if r == '"' {
			l.byte('"')
		}
		_, _ = l.out.Write(rest[:size]) //nolint:errcheck // out keeps its first error
		rest = rest[size:]
	}
	return len(b), nil
}
