package skrclient

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/json" // refuses duplicate names, which encoding/json does not
)

// Claims is what an attestation token says about this pod. What it does not say, or not in the right type, is empty or
// nil.
type Claims struct {
	Type        string // sevsnpvm
	Compliance  string // which sort of guest the service recognizes
	HostData    string // hex SHA-256 of the pod's security policy
	Measurement string // hex launch measurement of the guest
	Debuggable  *bool
	VMPL        *int64 // privilege level of the code that asked for the report, 0 is the highest
	TCB         TCB
	Authority   string // the attestation service, https://HOST
	Issued      time.Time
	Expires     time.Time // a key that was released before is not taken back then
}

// TCB is the security version of each part of the platform.
type TCB struct{ Bootloader, TEE, Firmware, Microcode *int64 }

const snp = "x-ms-sevsnpvm-"

// shown are the claims that are worth a look, in the order of a page.
func shown() []string {
	return []string{
		"x-ms-attestation-type", "x-ms-compliance-status", snp + "hostdata", snp + "is-debuggable", snp + "vmpl", snp + "launchmeasurement",
		snp + "bootloader-svn", snp + "tee-svn", snp + "snpfw-svn", snp + "microcode-svn", "iss",
	}
}

// claimTree is the payload of a token, with numbers as they were written.
type claimTree map[string]any

func (t claimTree) claims() Claims {
	c := Claims{
		Type: as[string](t, "x-ms-attestation-type"), Compliance: as[string](t, "x-ms-compliance-status"),
		HostData: as[string](t, snp+"hostdata"), Measurement: as[string](t, snp+"launchmeasurement"), VMPL: t.number(snp + "vmpl"),
		TCB:       TCB{Bootloader: t.number(snp + "bootloader-svn"), TEE: t.number(snp + "tee-svn"), Firmware: t.number(snp + "snpfw-svn"), Microcode: t.number(snp + "microcode-svn")},
		Authority: as[string](t, "iss"), Issued: t.time("iat"), Expires: t.time("exp"),
	}
	if debuggable, ok := t[snp+"is-debuggable"].(bool); ok {
		c.Debuggable = &debuggable
	}
	return c
}

func as[T any](t claimTree, name string) T {
	value, _ := t[name].(T) //nolint:errcheck // another type counts as not said
	return value
}

func (t claimTree) number(name string) *int64 {
	number, err := as[json.Number](t, name).Int64()
	if err != nil {
		return nil
	}
	return &number
}

// time reads a NumericDate (RFC 7519 section 2); it is zero if there is none.
func (t claimTree) time(name string) time.Time {
	seconds, err := as[json.Number](t, name).Float64()
	if err != nil || seconds < 1 || seconds > 1<<40 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// lookup finds a claim by its name or, where none is called so, by following the name's first part up to a dot.
func (t claimTree) lookup(name string) (any, bool) {
	if value, there := t[name]; there {
		return value, true
	}
	first, rest, dotted := strings.Cut(name, ".")
	inner, isObject := t[first].(map[string]any)
	if !dotted || !isObject {
		return nil, false
	}
	return claimTree(inner).lookup(rest)
}

// plain is the text with which a value is compared: true equals "true". Objects, lists and null have none.
func plain(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case bool:
		return fmt.Sprint(v), true
	case json.Number:
		return v.String(), true
	default:
		return "", false
	}
}

// parseTree reads exactly one JSON object.
func parseTree(text []byte) (claimTree, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.SetNumberType(json.UnmarshalJSONNumber)
	var tree map[string]any
	if err := decoder.Decode(&tree); err != nil || tree == nil {
		return nil, errors.New("want one JSON object, and no name twice in it")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("want one JSON object and nothing after it")
	}
	return tree, nil
}
