package envelope_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"kafka-e2ee/envelope"
)

// Without this, a typing error in a policy would let everything through, or nothing.
func TestRequirementsAreChecked(t *testing.T) {
	id := envelope.SigningKeyID(public(signingKey(1)))
	for says, cfg := range map[string]envelope.OpenerConfig{
		`got format "rot13"`:              {Require: envelope.Requirements{Formats: []envelope.Format{"rot13"}}},
		"43 characters":                   {Require: envelope.Requirements{SenderIDs: []string{"alice"}}, TrustedSenders: trustedAlice},
		`the key id "` + id[:42] + `"`:    {Require: envelope.Requirements{ReaderIDs: []string{id[:42]}}},
		"no trusted sender has":           {Require: envelope.Requirements{SenderIDs: []string{envelope.SigningKeyID(public(signingKey(2)))}}, TrustedSenders: trustedAlice},
		"nobody is trusted":               {Require: envelope.Requirements{VerifiedSender: true}},
		"but no sender":                   {Require: envelope.Requirements{Fresh: true}, TrustedSenders: trustedAlice},
		"the only format is rsa":          {Require: envelope.Requirements{Formats: []envelope.Format{envelope.FormatRSA}, VerifiedSender: true}, TrustedSenders: trustedAlice},
		"checking the requirements: got ": {Require: envelope.Requirements{Formats: []envelope.Format{""}}},
	} {
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want it to say %q", err, says)
		}
		opener := envelope.NewOpener(cfg)
		if err := opener.SetKeys(key2048()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("setting keys: got %v, want it to say %q", err, says)
		}
		if _, err := opener.Open(nil, "t", testSealer{signing: signingKey(1)}.seal(t, "hello", 0)); err == nil {
			t.Errorf("%s: a record opened", says)
		}
	}
}

// Without this, the settings of a program and the options of the command would mean
// something else than their description.
func TestParseRequirements(t *testing.T) {
	id, other := envelope.SigningKeyID(public(signingKey(1))), envelope.SigningKeyID(public(signingKey(2)))
	for _, c := range []struct {
		parse func(*envelope.Requirements, string) error
		list  string
		want  envelope.Requirements
		says  string
	}{
		{(*envelope.Requirements).ParseFormats, "envelope, jwe", envelope.Requirements{Formats: nativeFormats}, ""},
		{(*envelope.Requirements).ParseFormats, "rsa", envelope.Requirements{Formats: []envelope.Format{envelope.FormatRSA}}, ""},
		{(*envelope.Requirements).ParseFormats, "", envelope.Requirements{}, `got format ""`},
		{(*envelope.Requirements).ParseFormats, "Envelope", envelope.Requirements{}, `got format "Envelope"`},
		{(*envelope.Requirements).ParseSenders, "verified", envelope.Requirements{VerifiedSender: true}, ""},
		{(*envelope.Requirements).ParseSenders, id + " ," + other, envelope.Requirements{SenderIDs: []string{id, other}}, ""},
		{(*envelope.Requirements).ParseSenders, "verified," + id, envelope.Requirements{}, `the key id "verified"`},
		{(*envelope.Requirements).ParseSenders, "", envelope.Requirements{}, `or only "verified"`},
		{(*envelope.Requirements).ParseReaders, "held", envelope.Requirements{HeldReaders: true}, ""},
		{(*envelope.Requirements).ParseReaders, "held," + id, envelope.Requirements{HeldReaders: true, ReaderIDs: []string{id}}, ""},
		{(*envelope.Requirements).ParseReaders, id, envelope.Requirements{ReaderIDs: []string{id}}, `"held" is missing`},
		{(*envelope.Requirements).ParseReaders, "", envelope.Requirements{}, "43 characters"},
	} {
		var got envelope.Requirements
		err := c.parse(&got, c.list)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) || fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%q: got %+v, %v, want %+v, %q", c.list, got, err, c.want, c.says)
		}
	}
}

// Without this a key that nobody expects could be used because of a typo in the list.
func TestParseKeyIDs(t *testing.T) {
	id, other := envelope.SigningKeyID(public(signingKey(1))), envelope.SigningKeyID(public(signingKey(2)))
	for list, want := range map[string][]string{id: {id}, " " + id + " ,\t" + other + "\n": {id, other}} {
		if got, err := envelope.ParseKeyIDs(list); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %v, %v", list, got, err)
		}
	}
	for _, list := range []string{"", ",", id + ",", id + " " + other, "held", id[1:], id + "A", id[:42] + "="} {
		if got, err := envelope.ParseKeyIDs(list); err == nil || got != nil {
			t.Errorf("%q: got %v", list, got)
		}
	}
}
