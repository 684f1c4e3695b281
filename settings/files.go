package settings

import (
	"bytes"
	"errors"
	"io"
	"os"
	"unicode/utf8"
)

// maxText is the most bytes that [ReadFile] and [Source.Read] return: more than any certificate, key, password list or
// token takes.
const maxText = 1 << 20

// ReadFile reads the text file that a variable names, up to 1 MiB. It converts line ends to line feeds and drops a
// byte order mark, since encoding/pem accepts neither carriage returns alone nor a mark before the first block. The
// error holds neither the path nor the content. A file with nothing but white space is an error.
func ReadFile(variable, path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, unreadable(variable, err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	text, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err != nil {
		return nil, unreadable(variable, err)
	}
	return checkText(variable, "the file", text)
}

// checkText returns the normalized text, unless it is too long or nothing but white space. what names it in the error.
func checkText(variable, what string, text []byte) ([]byte, error) {
	switch {
	case len(text) > maxText:
		return nil, Errorf(variable, "%s is larger than %d bytes", what, maxText)
	case len(bytes.TrimSpace(text)) == 0:
		return nil, Errorf(variable, "%s is empty", what)
	}
	return normalize(text), nil
}

func unreadable(variable string, err error) error {
	if pathError := (*os.PathError)(nil); errors.As(err, &pathError) {
		err = pathError.Err // without the path, which is the variable's value
	}
	return Errorf(variable, "reading the file: %w", err)
}

// normalize works in place, so that a key is in memory once. It clears the bytes that it no longer needs.
func normalize(text []byte) []byte {
	plain := text[:0]
	for i := len(text) - len(bytes.TrimPrefix(text, []byte("\ufeff"))); i < len(text); i++ {
		switch c := text[i]; {
		case c != '\r':
			plain = append(plain, c)
		case i+1 == len(text) || text[i+1] != '\n':
			plain = append(plain, '\n')
		}
	}
	clear(text[len(plain):])
	return plain
}

// ReadLine reads a secret: the single line of text in the file that a variable names.
func ReadLine(variable, path string) (string, error) {
	text, err := ReadFile(variable, path)
	if err != nil {
		return "", err
	}
	defer clear(text)
	line := bytes.TrimSuffix(text, []byte("\n"))
	if !utf8.Valid(line) || bytes.ContainsAny(line, "\x00\n") {
		return "", Errorf(variable, "the file holds more than one line of text")
	}
	return string(line), nil
}
