package skrclient

import (
	"context"
	"crypto/rsa"
	"errors"
)

// File reads a key from a file. Nothing is attested, so it is for development only, and a program that uses it must tell
// its users so.
type File struct{ path string }

// NewFile makes a File. The file need not exist yet: every attempt reads it, so that a replaced key is found.
func NewFile(path string) (*File, error) {
	if path == "" {
		return nil, errors.New("making key file: the path is empty")
	}
	return &File{path: path}, nil
}

// Check requires a key name, which only labels the key for people. It ignores the endpoints.
func (f *File) Check(request Request) error {
	if request.KeyName == "" {
		return errors.New("checking key name: it is empty")
	}
	return nil
}

// Release reads the file, which holds one key as a JWK or as PEM (PKCS#8 or PKCS#1). Its errors are
// those of [Client.Release].
func (f *File) Release(_ context.Context, request Request) (*rsa.PrivateKey, error) {
	if err := f.Check(request); err != nil {
		return nil, err
	}
	text, err := readFile(f.path, maxKeyText)
	defer clear(text)
	if err != nil {
		return nil, &Error{KeyName: request.KeyName, Step: StepKey, Kind: KindFailed, Cause: CauseKeyFile}
	}
	key, failure := parseKey(text)
	if failure != nil {
		return nil, withKeyName(failure, request.KeyName)
	}
	return key, nil
}
