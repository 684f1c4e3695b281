package attested

import (
	"encoding/json"
	"errors"
	"fmt"

	josejson "github.com/go-jose/go-jose/v4/json" // has the type of a parsed number

	"kafka-e2ee/skrclient/policy"
)

// MaxDocument is the longest response at [Path], in bytes.
const MaxDocument = MaxToken + 1<<10

const documentVersion = 1

// MarshalDocument returns the response at [Path] with the token.
func MarshalDocument(token string) ([]byte, error) {
	if len(token) == 0 || len(token) > MaxToken {
		return nil, fmt.Errorf("writing attestation document: got a token of %d bytes, want 1 to %d", len(token), MaxToken)
	}
	return json.Marshal(struct {
		Version int    `json:"version"`
		Token   string `json:"token"`
	}{documentVersion, token})
}

// ParseDocument returns the token in a response at [Path]. It refuses members that it does not know, and more than one
// document. Nothing of the token is checked.
func ParseDocument(body []byte) (token string, err error) {
	if len(body) > MaxDocument {
		return "", fmt.Errorf("reading attestation document: it is longer than %d bytes", MaxDocument)
	}
	members, err := policy.ParseClaims(body) // the same rules: one object, no name twice
	if err != nil {
		return "", errors.New("reading attestation document: want one JSON object without duplicate names")
	}
	for name := range members {
		if name != "version" && name != "token" {
			return "", fmt.Errorf("reading attestation document: got member %.40q, want exactly version and token", name)
		}
	}
	if version, ok := members["version"].(josejson.Number); !ok || version.String() != fmt.Sprint(documentVersion) {
		return "", fmt.Errorf("reading attestation document: version is not %d", documentVersion)
	}
	token, ok := members["token"].(string)
	if !ok || token == "" || len(token) > MaxToken {
		return "", fmt.Errorf("reading attestation document: token is not a text of 1 to %d bytes", MaxToken)
	}
	return token, nil
}
