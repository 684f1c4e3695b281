// Package strictjson parses a JSON object and rejects input that parsers interpret
// differently: bytes that are not UTF-8, duplicate members, and deep nesting.
// [encoding/json] replaces such bytes and takes the last of duplicate members.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

var errNotJSON = errors.New("not JSON")

// ParseObject parses one JSON object in which objects and arrays are nested at most
// maxDepth deep, the object itself included. Numbers are [json.Number]; arrays are
// checked, but returned as nil.
func ParseObject(text []byte, maxDepth int) (map[string]any, error) {
	if !utf8.Valid(text) || !json.Valid(text) {
		return nil, errNotJSON
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	value, err := parseValue(dec, maxDepth)
	if err != nil {
		return nil, err
	}
	members, ok := value.(map[string]any)
	if _, err := dec.Token(); !ok || !errors.Is(err, io.EOF) {
		return nil, errors.New("not one JSON object")
	}
	return members, nil
}

func parseValue(dec *json.Decoder, maxDepth int) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, errNotJSON
	}
	if _, nested := token.(json.Delim); nested && maxDepth == 0 {
		return nil, errors.New("nested too deep")
	}
	switch token {
	case json.Delim('{'):
		members := make(map[string]any)
		for dec.More() {
			token, err := dec.Token()
			name, ok := token.(string)
			if err != nil || !ok {
				return nil, errNotJSON
			}
			if _, duplicate := members[name]; duplicate {
				return nil, errors.New("duplicate member")
			}
			if members[name], err = parseValue(dec, maxDepth-1); err != nil {
				return nil, err
			}
		}
		_, err = dec.Token()
		return members, err
	case json.Delim('['):
		for dec.More() {
			if _, err := parseValue(dec, maxDepth-1); err != nil {
				return nil, err
			}
		}
		_, err = dec.Token()
		return nil, err
	}
	return token, nil
}
