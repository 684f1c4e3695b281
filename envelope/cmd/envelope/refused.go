package main

import (
	"errors"
	"fmt"
	"strings"

	"kafka-e2ee/envelope"
)

// refused says what to do about a record that was refused. What the record says
// of itself is quoted: whoever wrote it chose the words.
func refused(err error, topic string, record []byte) error {
	d, unreadable := envelope.Describe(record)
	hint := ""
	switch {
	case errors.Is(err, envelope.ErrUnknownKey):
		hint = fmt.Sprintf("it is for the key %q; envelope thumbprint FILE tells which yours is", strings.Join(d.Needs, " or "))
	case errors.Is(err, envelope.ErrUndecryptable) && unreadable == nil && topic != "" && d.Topic != "" && d.Topic != topic:
		hint = fmt.Sprintf("it says that it belongs to the topic %q; try -topic with that name", d.Topic)
	case errors.Is(err, envelope.ErrUndecryptable) && d.Format == envelope.FormatRSA:
		hint = "it is for another key, or damaged: the format rsa names none"
	case errors.Is(err, envelope.ErrUndecryptable):
		hint = "it was altered on its way, or sealed for another topic"
	case errors.Is(err, envelope.ErrMalformed):
		hint = "it may be cut, or have something added: read one whole record with kcat -C -c1 -D ''"
	case errors.Is(err, envelope.ErrNotEncrypted):
		hint = "it is a record of none of the three formats; read one whole record with kcat -C -c1 -D ''"
	default:
		return err
	}
	return fmt.Errorf("%w (hint: %s)", err, hint)
}
