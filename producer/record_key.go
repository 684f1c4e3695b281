package producer

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"strings"
)

// maxKey bounds the key of a record, in bytes. Kafka stores keys in the clear, and names of things are short.
const maxKey = 4 << 10

// key is the key of every record; nil if KEY is not set.
func (c Config) key() []byte {
	if c.Key == "" {
		return nil
	}
	return []byte(c.Key)
}

// KeySeparatorFlag adds -key-separator to flags. An empty separator is an error.
func KeySeparatorFlag(flags *flag.FlagSet) *string {
	var separator string
	flags.Func("key-separator", "with -stdin: the record's key is the part of a line before this `text`; Kafka's operators can read keys", func(text string) error {
		if separator = text; text == "" {
			return errors.New("want some text")
		}
		return nil
	})
	return &separator
}

// checkKeys checks KEY and -key-separator.
func (c Config) checkKeys() error {
	switch {
	case c.Key != "" && c.KeySeparator != "":
		return errors.New("KEY: is set, and so is -key-separator (hint: keep one)")
	case len(c.Key) > maxKey:
		return fmt.Errorf("KEY: %d bytes, limit %d", len(c.Key), maxKey)
	case strings.ContainsAny(c.KeySeparator, "\r\n"):
		return errors.New("-key-separator: holds a line break, which no line does")
	case len(c.KeySeparator) > maxKey:
		return fmt.Errorf("-key-separator: %d bytes, limit %d", len(c.KeySeparator), maxKey)
	}
	return nil
}

// withKey gives a line its key: KEY, or with -key-separator the text before the first separator. A line without a
// separator is an error: under another key, or none, it could replace or outlive other records.
func (c Config) withKey(msg message) message {
	if msg.key = c.key(); c.KeySeparator == "" || msg.tooLong {
		return msg
	}
	key, text, found := bytes.Cut(msg.text, []byte(c.KeySeparator))
	switch {
	case !found:
		msg.err = errors.New("the line holds no key separator")
	case len(key) > maxKey:
		msg.err = fmt.Errorf("the key has %d bytes, limit %d", len(key), maxKey)
	}
	if msg.key, msg.text = key, text; key == nil {
		msg.key = []byte{} // an empty key differs from a nil one
	}
	return msg
}

// maxKeyPrefix is the number of bytes in a line that key and separator may take.
func (c Config) maxKeyPrefix() int {
	if c.KeySeparator == "" {
		return 0
	}
	return maxKey + len(c.KeySeparator)
}
