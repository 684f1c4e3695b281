package skrclient

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"os"
)

// readLimited reads to the end, or one byte more than the limit, into one buffer that the caller overwrites after use. A
// buffer that grows, like that of io.ReadAll, would leave copies behind.
func readLimited(from io.Reader, limit int) ([]byte, error) {
	buffer := make([]byte, limit+1)
	for n := 0; ; {
		m, err := from.Read(buffer[n:])
		n += m
		switch {
		case errors.Is(err, io.EOF) || n > limit:
			return buffer[:n], nil
		case err != nil:
			return buffer[:n], err
		}
	}
}

// readFile is readLimited for a file whose path is configuration.
func readFile(path string, limit int) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // see above
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was only read from
	return readLimited(file, limit)
}

// jsonText is an unquoted JSON string that can be overwritten, unlike a Go string.
type jsonText []byte

// UnmarshalJSON unquotes data, which encoding/json has validated. It accepts only the escapes that a JWK needs: those with
// one letter and those of US-ASCII (RFC 8259 section 7).
func (t *jsonText) UnmarshalJSON(data []byte) error {
	clear(*t) // left by a duplicate member
	if len(data) < 2 || data[0] != '"' {
		return errors.New("decoding text: want a JSON string")
	}
	out := make([]byte, 0, len(data))
	for rest := data[1 : len(data)-1]; len(rest) > 0; {
		c, size := rest[0], 1
		if c == '\\' {
			if c, size = unescape(rest); size == 0 {
				clear(out)
				return errors.New("decoding text: want escapes of US-ASCII only")
			}
		}
		out, rest = append(out, c), rest[size:]
	}
	*t = out
	return nil
}

// unescape returns the byte of an escape and the escape's length, 0 if it is not accepted.
func unescape(escape []byte) (c byte, size int) {
	const letters, meanings = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	if len(escape) > 1 {
		if at := bytes.IndexByte([]byte(letters), escape[1]); at >= 0 {
			return meanings[at], 2
		}
	}
	var code [1]byte
	if len(escape) < 6 || string(escape[:4]) != `\u00` {
		return 0, 0
	}
	if _, err := hex.Decode(code[:], escape[4:6]); err != nil || code[0] > 0x7f {
		return 0, 0
	}
	return code[0], 6
}
