package skrclient

import (
	"bytes"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/go-jose/go-jose/v4"
)

const (
	maxAnswer  = 1 << 20
	maxJWK     = 16 << 10 // a key of 8192 bits takes 7 KiB; more would only cost time to check
	minKeyBits = 2048
	maxKeyBits = 8192
)

// parseAnswer turns the sidecar's answer to /key/release into a key, or into an Error without a key name.
func parseAnswer(status int, body []byte) (*rsa.PrivateKey, *Error) {
	if len(body) > maxAnswer {
		return nil, &Error{Step: StepSidecar, Kind: KindMalformed, Cause: CauseTooLong, Status: status}
	}
	switch status {
	case http.StatusOK:
		return parseRelease(body)
	case http.StatusBadRequest:
		return nil, &Error{Step: StepSidecar, Kind: KindRefused, Cause: CauseRequest, Status: status}
	case http.StatusInternalServerError:
		return nil, &Error{Step: StepSidecar, Kind: KindRefused, Cause: CauseNotReady, Status: status}
	case http.StatusForbidden:
		return nil, parseRefusal(body)
	default:
		return nil, &Error{Step: StepSidecar, Kind: KindMalformed, Cause: CauseForeign, Status: status}
	}
}

// parseRelease reads {"key":"<JSON string that holds a JWK>"}.
func parseRelease(body []byte) (*rsa.PrivateKey, *Error) {
	var answer struct {
		Key *string `json:"key"`
	}
	if err := decodeOne(body, &answer); err != nil || answer.Key == nil {
		return nil, &Error{Step: StepSidecar, Kind: KindMalformed, Cause: CauseAnswer, Status: http.StatusOK}
	}
	return parseJWK([]byte(*answer.Key))
}

// parseRefusal reads {"error":<any JSON>}; a string is looked at for known causes and then dropped.
func parseRefusal(body []byte) *Error {
	var answer struct {
		Error json.RawMessage `json:"error"`
	}
	if err := decodeOne(body, &answer); err != nil || answer.Error == nil {
		return &Error{Step: StepSidecar, Kind: KindMalformed, Cause: CauseAnswer, Status: http.StatusForbidden}
	}
	var text string
	if err := json.Unmarshal(answer.Error, &text); err != nil {
		text = "" // the object {} says nothing, and is still a refusal
	}
	return classify(text)
}

// decodeOne decodes exactly one JSON document: a second one after it makes the answer ambiguous.
func decodeOne(body []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("decoding answer: more than one document")
	}
	return nil
}

// parseJWK reads a JWK (RFC 7517) and accepts only an RSA private key (RFC 7518 section 6.3) of 2048 to 8192 bits whose
// numbers fit together.
func parseJWK(text []byte) (*rsa.PrivateKey, *Error) {
	broken := func(kind Kind, cause Cause) (*rsa.PrivateKey, *Error) {
		return nil, &Error{Step: StepKey, Kind: kind, Cause: cause, Status: http.StatusOK}
	}
	var head struct {
		Type string `json:"kty"`
	}
	if err := decodeOne(text, &head); err != nil || head.Type == "" {
		return broken(KindMalformed, CauseNotJWK)
	}
	if head.Type != "RSA" {
		return broken(KindUnsupported, CauseKeyType)
	}
	if len(text) > maxJWK {
		return broken(KindUnsupported, CauseKeySize)
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(text); err != nil {
		return broken(KindMalformed, CauseBrokenKey)
	}
	key, private := jwk.Key.(*rsa.PrivateKey)
	if !private {
		return broken(KindUnsupported, CausePublic)
	}
	if bits := key.N.BitLen(); bits < minKeyBits || bits > maxKeyBits {
		return broken(KindUnsupported, CauseKeySize)
	}
	if err := key.Validate(); err != nil {
		return broken(KindMalformed, CauseBrokenKey)
	}
	key.Precompute()
	return key, nil
}
