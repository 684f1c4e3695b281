package envelope

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// header is a protected header of anybody's, as far as it is needed.
type header struct {
	raw     []byte // the JSON
	members map[string]any
}

// parseHeader makes the checks 11 to 13 of SPEC.md, section 8.2.
func parseHeader(text []byte) (*header, error) {
	raw := make([]byte, base64.RawURLEncoding.DecodedLen(len(text)))
	if len(raw) > maxHeader {
		return nil, fmt.Errorf("got a header of %d bytes, limit %d", len(raw), maxHeader)
	}
	if !decode(raw, text) {
		return nil, errors.New("the header is not base64url")
	}
	members, err := parseObject(raw)
	if err != nil {
		return nil, err
	}
	h := &header{raw: raw, members: members}
	if h.text("alg") != "RSA-OAEP-256" || h.text("enc") != "A256GCM" {
		return nil, errors.New("the header names another algorithm")
	}
	for _, name := range []string{"zip", "crit"} {
		if _, there := members[name]; there {
			return nil, fmt.Errorf("the header has a member %s", name)
		}
	}
	for _, name := range []string{"typ", "kid", "topic"} {
		if value, there := members[name]; there {
			if _, ok := value.(string); !ok || name == "topic" && value == "" {
				return nil, fmt.Errorf("the header's member %s is not a text", name)
			}
		}
	}
	if !h.ours() && strings.HasPrefix(strings.ToLower(h.text("typ")), "kafka-e2ee") {
		return nil, errors.New("the header is of an unknown version")
	}
	return h, nil
}

func (h *header) text(name string) string {
	value, _ := h.members[name].(string) //nolint:errcheck // no text is the empty text
	return value
}

func (h *header) ours() bool { return h.text("typ") == headerType }

// needs is the id of the key that a header of others names, if that is an id.
func (h *header) needs() []string {
	var id [idSize]byte
	if kid := h.text("kid"); decode(id[:], []byte(kid)) {
		return []string{kid}
	}
	return nil
}

// prefix reads a header of ours. It must be what we would have written, to the
// byte; so it needs no other check. The id of a single recipient comes from it.
func (h *header) prefix(recipients []recipient) (*prefix, error) {
	p := &prefix{topic: h.text("topic"), recipients: recipients}
	_, p.signed = h.members["signature"]
	fits := decode(p.commitment[:], []byte(h.text("commitment")))
	if p.signed {
		fits = fits && decode(p.signer[:], []byte(h.text("signer"))) && decode(p.signature[:], []byte(h.text("signature")))
	}
	if len(recipients) == 1 {
		fits = fits && decode(recipients[0].id[:], []byte(h.text("kid")))
	}
	if !fits {
		return nil, errors.New("the header lacks a member, or has one of another size")
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	if !bytes.Equal(p.header(), h.raw) {
		return nil, errors.New("the header is not in the one form that it can have")
	}
	return p, nil
}

// decode decodes canonical base64url that fills dst exactly. The decoder skips
// line breaks; it would then come out short, but for a single one more than a
// multiple of four characters, a length that no text has.
func decode(dst, text []byte) bool {
	if len(text)%4 == 1 || base64.RawURLEncoding.DecodedLen(len(text)) != len(dst) {
		return false
	}
	n, err := base64.RawURLEncoding.Strict().Decode(dst, text)
	return err == nil && n == len(dst)
}

// parseObject reads one JSON object and refuses what encoding/json lets pass:
// bytes that are not UTF-8, a member that is there twice, anything after it.
func parseObject(raw []byte) (map[string]any, error) {
	if !utf8.Valid(raw) || !json.Valid(raw) {
		return nil, errors.New("the header is not JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	value, err := parseValue(dec, 0)
	if err != nil {
		return nil, err
	}
	members, ok := value.(map[string]any)
	if _, err := dec.Token(); !ok || !errors.Is(err, io.EOF) {
		return nil, errors.New("the header is not one JSON object")
	}
	return members, nil
}

func parseValue(dec *json.Decoder, depth int) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, errors.New("the header is not JSON")
	}
	if _, nested := token.(json.Delim); nested && depth == maxDepth {
		return nil, fmt.Errorf("the header is nested more than %d deep", maxDepth)
	}
	switch token {
	case json.Delim('{'):
		members := make(map[string]any)
		for dec.More() {
			name, err := parseValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			key, _ := name.(string) //nolint:errcheck // the decoder takes nothing else here
			if _, twice := members[key]; twice {
				return nil, errors.New("the header has a member twice")
			}
			if members[key], err = parseValue(dec, depth+1); err != nil {
				return nil, err
			}
		}
		_, err = dec.Token()
		return members, err
	case json.Delim('['):
		for dec.More() {
			if _, err := parseValue(dec, depth+1); err != nil {
				return nil, err
			}
		}
		_, err = dec.Token()
		return nil, err
	}
	return token, nil
}
