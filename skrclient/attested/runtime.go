package attested

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// RuntimeData is what a container has its hardware attest. It never has a member "keys": a vault would encrypt a released
// key for the keys in it.
type RuntimeData struct {
	KeyHash [sha256.Size]byte // of the TLS key, as [KeyHash] returns it
	KeyIDs  []string          // of the keys that the container holds, each an RFC 7638 thumbprint; at most MaxKeyIDs
	Nonces  []string          // each as [BindNonce] returns it; at most MaxNonces
}

const (
	memberPurpose = "purpose"
	memberKeyHash = "spki_sha256" // lower-case hexadecimal, as browsers show it
	memberKeyIDs  = "key_ids"
	memberNonces  = "nonces"
)

// MarshalJSON writes the object that the hardware attests. It fails for data that [ParseRuntimeData] would refuse.
func (d RuntimeData) MarshalJSON() ([]byte, error) {
	members := map[string]any{
		memberPurpose: Purpose, memberKeyHash: hex.EncodeToString(d.KeyHash[:]),
		memberKeyIDs: append([]string{}, d.KeyIDs...), memberNonces: append([]string{}, d.Nonces...), // [], never null
	}
	for name, list := range map[string][]string{memberKeyIDs: d.KeyIDs, memberNonces: d.Nonces} {
		if err := checkHashes(name, list); err != nil {
			return nil, fmt.Errorf("writing runtime data: %w", err)
		}
	}
	return json.Marshal(members)
}

// ParseRuntimeData reads the members of the object in a token's claim x-ms-runtime. It refuses every member that it does
// not know.
func ParseRuntimeData(members map[string]any) (RuntimeData, error) {
	d, err := parseRuntimeData(members)
	if err != nil {
		return RuntimeData{}, fmt.Errorf("reading runtime data: %w", err)
	}
	return d, nil
}

func parseRuntimeData(members map[string]any) (d RuntimeData, err error) {
	for name := range members {
		switch name {
		case memberPurpose, memberKeyHash, memberKeyIDs, memberNonces:
		default:
			return d, fmt.Errorf("got member %.40q, want exactly %s, %s, %s and %s", name, memberPurpose, memberKeyHash, memberKeyIDs, memberNonces)
		}
	}
	if members[memberPurpose] != Purpose {
		return d, fmt.Errorf("%s is not %q", memberPurpose, Purpose)
	}
	text, _ := members[memberKeyHash].(string) //nolint:errcheck // empty for another type, and refused below
	hash, err := hex.DecodeString(text)
	if err != nil || len(hash) != len(d.KeyHash) || hex.EncodeToString(hash) != text {
		return d, fmt.Errorf("%s is not 64 lower-case hexadecimal digits", memberKeyHash)
	}
	copy(d.KeyHash[:], hash)
	if d.KeyIDs, err = parseHashes(memberKeyIDs, members[memberKeyIDs]); err != nil {
		return d, err
	}
	d.Nonces, err = parseHashes(memberNonces, members[memberNonces])
	return d, err
}

func parseHashes(name string, value any) ([]string, error) {
	values, ok := value.([]any)
	if !ok {
		return nil, fmt.Errorf("%s is not a list", name)
	}
	list := make([]string, len(values))
	for i, value := range values {
		if list[i], ok = value.(string); !ok {
			return nil, fmt.Errorf("%s has an entry that is not a text", name)
		}
	}
	return list, checkHashes(name, list)
}

// checkHashes accepts a list of SHA-256 hashes in base64url without padding: thumbprints of keys and bound nonces both
// are.
func checkHashes(name string, list []string) error {
	limit := MaxNonces
	if name == memberKeyIDs {
		limit = MaxKeyIDs
	}
	if len(list) > limit {
		return fmt.Errorf("%s has %d entries, limit %d", name, len(list), limit)
	}
	for _, text := range list {
		if hash, err := base64.RawURLEncoding.Strict().DecodeString(text); err != nil || len(hash) != sha256.Size {
			return errors.New(name + " has an entry that is not a SHA-256 hash in base64url")
		}
	}
	return nil
}
