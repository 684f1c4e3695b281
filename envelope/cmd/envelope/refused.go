package main

import (
	"errors"
	"fmt"
	"strings"

	"kafka-e2ee/envelope"
)

// refused adds a hint to the error of a record. It quotes what comes from the record,
// because whoever wrote it chose the words.
func refused(err error, topic string, record []byte) error {
	d, describeErr := envelope.Describe(record)
	hint := ""
	if needs, ok := errors.AsType[*envelope.NeedsHeaderError](err); ok {
		return fmt.Errorf("%w: it is lean (hint: -header FILE takes a full record whose header has the name %s, from a lower offset of the partition)", envelope.ErrNeedsHeader, needs.Name)
	}
	switch {
	case errors.Is(err, envelope.ErrRejected):
		hint = rejection(err)
	case errors.Is(err, envelope.ErrUnknownKey):
		hint = fmt.Sprintf("it is for the key %q; envelope thumbprint FILE tells which yours is", strings.Join(d.Needs, " or "))
	case errors.Is(err, envelope.ErrUndecryptable) && describeErr == nil && topic != "" && d.Topic != "" && d.Topic != topic:
		hint = fmt.Sprintf("it claims the topic %q; try -topic with that name", d.Topic)
	case errors.Is(err, envelope.ErrUndecryptable) && d.Format == envelope.FormatRSA:
		hint = "it is for another key, or damaged: the format rsa names none"
	case errors.Is(err, envelope.ErrUndecryptable):
		hint = "it was altered in transit, or sealed for another topic"
	case errors.Is(err, envelope.ErrUnsupported):
		return err // it contains its hint
	case errors.Is(err, envelope.ErrMalformed):
		if describeErr != nil {
			err = describeErr // the same error, with the broken part
		}
		hint = "if it was cut, or something was added, read one whole record with kcat -C -c1 -D ''"
	case errors.Is(err, envelope.ErrNotEncrypted):
		hint = "it has none of the three formats; read one whole record with kcat -C -c1 -D ''"
	default:
		return err
	}
	return fmt.Errorf("%w (hint: %s)", err, hint)
}

// rejection tells which option rejected a record, and why.
func rejection(err error) string {
	rejected, _ := errors.AsType[*envelope.RejectedError](err)
	keys := strings.Join(rejected.KeyIDs, " and ")
	switch {
	case rejected.Reason == envelope.RejectFormat:
		return "-require-format tells which formats are accepted; envelope inspect tells which one it has"
	case rejected.Reason == envelope.RejectReader:
		return fmt.Sprintf("the keys %s open it, too; -allow-readers tells which may", keys)
	case rejected.Sender == "":
		return fmt.Sprintf("a trusted sender signed it with the key %s; -require-sender tells which are accepted", keys)
	case keys == "":
		return "nobody signed it; -require-sender wants a signature"
	}
	return fmt.Sprintf("%s: %s; -trusted tells which senders are trusted", rejected.Sender, keys)
}
