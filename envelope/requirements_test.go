package envelope_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/envelope"
)

var trustedAlice = []envelope.TrustedSender{{Name: "alice", Key: public(signingKey(1))}, {Name: "bob", Key: public(signingKey(3))}}

// openerThatRequires returns an opener that holds keys and trusts alice and bob.
func openerThatRequires(t testing.TB, require envelope.Requirements, keys ...*rsa.PrivateKey) *envelope.Opener {
	t.Helper()
	cfg := envelope.OpenerConfig{TrustedSenders: trustedAlice, Require: require}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	opener := envelope.NewOpener(cfg)
	if err := opener.SetKeys(keys...); err != nil {
		t.Fatal(err)
	}
	return opener
}

// rejectReason returns the reason of a rejection, or "" for other errors.
func rejectReason(err error) envelope.RejectReason {
	rejected, ok := errors.AsType[*envelope.RejectedError](err)
	if !ok {
		return ""
	}
	return rejected.Reason
}

func keyIDs(keys ...*rsa.PrivateKey) []string {
	var ids []string
	for _, key := range keys {
		ids = append(ids, envelope.KeyID(&key.PublicKey))
	}
	return ids
}

// Without this, a reader would open a record that its policy excludes, or refuse one that
// it allows.
func TestRequirements(t *testing.T) {
	alice, bob := signingKey(1), signingKey(3)
	sealed := func(format envelope.Format, signing ed25519.PrivateKey, readers ...*rsa.PrivateKey) []byte {
		return testSealer{format: format, signing: signing, readers: readers}.seal(t, "hello", 0)
	}
	records := map[string][]byte{
		"plain": []byte("hello"), "empty": {}, "null": nil,
		"rsa":              seal(t, key2048(), "hello"),
		"unsigned":         sealed(envelope.FormatEnvelope, nil, key2048()),
		"alice":            sealed(envelope.FormatEnvelope, alice, key2048()),
		"bob":              sealed(envelope.FormatEnvelope, bob, key2048()),
		"mallory":          sealed(envelope.FormatEnvelope, signingKey(2), key2048()),
		"jwe of alice":     sealed(envelope.FormatJWE, alice, key2048()),
		"jwe, unsigned":    sealed(envelope.FormatJWE, nil, key2048()),
		"alice, for two":   sealed(envelope.FormatEnvelope, alice, key2048(), key3072()),
		"mallory, for two": sealed(envelope.FormatEnvelope, signingKey(2), key2048(), key3072()),
	}
	forged := bytes.Clone(records["alice"])
	forged[3+1+32+16+32] ^= 1 // in the signature
	records["forged"] = forged

	aliceID, readerID := envelope.SigningKeyID(public(alice)), envelope.KeyID(&key3072().PublicKey)
	for name, c := range map[string]struct {
		require  envelope.Requirements
		rejected map[envelope.RejectReason]string // the names of records, separated by commas
	}{
		"nothing": {envelope.Requirements{}, nil},
		"format envelope": {
			envelope.Requirements{Formats: []envelope.Format{envelope.FormatEnvelope}},
			map[envelope.RejectReason]string{envelope.RejectFormat: "plain|empty|rsa|jwe of alice|jwe, unsigned"},
		},
		"format jwe or rsa": {
			envelope.Requirements{Formats: []envelope.Format{envelope.FormatJWE, envelope.FormatRSA}},
			map[envelope.RejectReason]string{envelope.RejectFormat: "plain|empty|unsigned|alice|bob|mallory|alice, for two|mallory, for two|forged"},
		},
		"verified sender": {
			envelope.Requirements{VerifiedSender: true},
			map[envelope.RejectReason]string{envelope.RejectSender: "rsa|unsigned|mallory|jwe, unsigned|mallory, for two|forged"},
		},
		"alice": {
			envelope.Requirements{SenderIDs: []string{aliceID}},
			map[envelope.RejectReason]string{envelope.RejectSender: "rsa|unsigned|bob|mallory|jwe, unsigned|mallory, for two|forged"},
		},
		"held readers": {
			envelope.Requirements{HeldReaders: true},
			map[envelope.RejectReason]string{envelope.RejectReader: "alice, for two|mallory, for two"},
		},
		"held readers and another": {envelope.Requirements{ReaderIDs: []string{readerID}}, nil},
		"all": {
			envelope.Requirements{Formats: []envelope.Format{envelope.FormatEnvelope}, VerifiedSender: true, HeldReaders: true, Fresh: true},
			map[envelope.RejectReason]string{
				envelope.RejectFormat: "plain|empty|rsa|jwe of alice|jwe, unsigned",
				envelope.RejectSender: "unsigned|mallory|mallory, for two|forged",
				envelope.RejectReader: "alice, for two",
			},
		},
	} {
		free, opener := openerThatRequires(t, envelope.Requirements{}, key2048()), openerThatRequires(t, c.require, key2048())
		for record, value := range records {
			want := envelope.RejectReason("")
			for reason, names := range c.rejected {
				if slices.Contains(strings.Split(names, "|"), record) {
					want = reason
				}
			}
			for range 2 { // the second time from the cache
				msg, err := opener.Open([]byte("dst"), "t", value)
				if got := rejectReason(err); got != want || errors.Is(err, envelope.ErrRejected) != (want != "") {
					t.Errorf("%s, %s: got %v, want the reason %q", name, record, err, want)
				}
				if want != "" && (msg.Plaintext != nil || msg.KeyID != "" || msg.DataKey != "" || msg.Sender != (envelope.Sender{State: envelope.SenderUnchecked})) {
					t.Errorf("%s, %s: rejected with %+v", name, record, msg)
				}
				if want != "" {
					continue
				}
				expected, without := free.Open([]byte("dst"), "t", value)
				if !errors.Is(err, without) || fmt.Sprint(msg) != fmt.Sprint(expected) {
					t.Errorf("%s, %s: got %v, %+v, want %v, %+v as without requirements", name, record, err, msg, without, expected)
				}
			}
		}
	}
}

// Without this, a person could not learn what to change about a rejected record.
func TestRejectionsSayWhy(t *testing.T) {
	alice, bob := signingKey(1), signingKey(3)
	for name, c := range map[string]struct {
		value   []byte
		require envelope.Requirements
		want    envelope.RejectedError
	}{
		"unsigned":  {testSealer{}.seal(t, "x", 0), envelope.Requirements{VerifiedSender: true}, envelope.RejectedError{Reason: envelope.RejectSender, Sender: envelope.ReasonUnsigned}},
		"untrusted": {testSealer{signing: signingKey(2)}.seal(t, "x", 0), envelope.Requirements{VerifiedSender: true}, envelope.RejectedError{Reason: envelope.RejectSender, Sender: envelope.ReasonUnknownSigner, KeyIDs: []string{envelope.SigningKeyID(public(signingKey(2)))}}},
		"not alice": {testSealer{signing: bob}.seal(t, "x", 0), envelope.Requirements{SenderIDs: []string{envelope.SigningKeyID(public(alice))}}, envelope.RejectedError{Reason: envelope.RejectSender, KeyIDs: []string{envelope.SigningKeyID(public(bob))}}},
		"reader":    {testSealer{readers: []*rsa.PrivateKey{key3072(), key2048(), key4096()}}.seal(t, "x", 0), envelope.Requirements{ReaderIDs: keyIDs(key4096())}, envelope.RejectedError{Reason: envelope.RejectReader, KeyIDs: keyIDs(key3072())}},
		"format":    {[]byte("x"), envelope.Requirements{Formats: nativeFormats}, envelope.RejectedError{Reason: envelope.RejectFormat}},
	} {
		_, err := openerThatRequires(t, c.require, key2048()).Open(nil, "t", c.value)
		if rejected, ok := errors.AsType[*envelope.RejectedError](err); !ok || fmt.Sprintf("%#v", *rejected) != fmt.Sprintf("%#v", c.want) {
			t.Errorf("%s: got %#v, want %#v", name, err, c.want)
		}
	}
}

// Without this, a reader that waits for its key would show records that it will reject,
// or would reject records that it will open.
func TestRequirementsWithoutAKey(t *testing.T) {
	none := openerThatRequires(t, envelope.Requirements{Formats: nativeFormats, VerifiedSender: true, HeldReaders: true})
	for name, c := range map[string]struct {
		value []byte
		topic string
		want  error
	}{
		"plain":         {[]byte("hello"), "t", envelope.ErrRejected},
		"rsa":           {seal(t, key2048(), "hello"), "t", envelope.ErrRejected},
		"unsigned":      {testSealer{}.seal(t, "hello", 0), "t", envelope.ErrRejected},
		"mallory":       {testSealer{signing: signingKey(2)}.seal(t, "hello", 0), "t", envelope.ErrRejected},
		"alice":         {testSealer{signing: signingKey(1)}.seal(t, "hello", 0), "t", envelope.ErrNoKey},
		"another topic": {testSealer{}.seal(t, "hello", 0), "u", envelope.ErrUndecryptable},
		"broken":        {[]byte("\xC1junk"), "t", envelope.ErrMalformed},
	} {
		if _, err := none.Open(nil, c.topic, c.value); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	for _, opener := range []*envelope.Opener{none, openerThatRequires(t, envelope.Requirements{HeldReaders: true}, key4096())} {
		if _, err := opener.Open(nil, "t", testSealer{signing: signingKey(1), readers: []*rsa.PrivateKey{key2048(), key3072()}}.seal(t, "hello", 0)); errors.Is(err, envelope.ErrRejected) {
			t.Errorf("a record that no held key opens is judged by its readers: %v", err)
		}
	}
}

// Without this, junk that anybody can write would cost a private-key operation each, and
// the reader would fall behind.
func TestJunkNeedsNoPrivateKeyOperation(t *testing.T) {
	opener := openerThatRequires(t, envelope.Requirements{VerifiedSender: true, HeldReaders: true}, key2048())
	good := testSealer{signing: signingKey(1)}.seal(t, "hello", 0)
	if _, err := opener.Open(nil, "t", good); err != nil {
		t.Fatal(err)
	}
	fresh := map[string][]byte{
		"rsa":       seal(t, key2048(), "hello"),
		"unsigned":  testSealer{}.seal(t, "hello", 0),
		"mallory":   testSealer{signing: signingKey(2), format: envelope.FormatJWE}.seal(t, "hello", 0),
		"added":     testSealer{signing: signingKey(1), readers: []*rsa.PrivateKey{key2048(), key3072()}}.seal(t, "hello", 0),
		"re-signed": bytes.Clone(good),
		"re-dated":  bytes.Clone(good),
	}
	fresh["re-signed"][3+1+32+16+32] ^= 1
	fresh["re-dated"][3+1+32+7] ^= 1
	release := envelope.BlockPrivateKeyOps()
	defer release()
	for name, value := range fresh {
		within(t, name, func() {
			if _, err := opener.Open(nil, "t", value); !errors.Is(err, envelope.ErrRejected) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	within(t, "a known data key", func() {
		if _, err := opener.Open(nil, "t", good); err != nil {
			t.Error(err)
		}
	})
	if known, _ := opener.CachedPrefixes(); known != 6 {
		t.Errorf("%d prefixes are cached, want 6", known)
	}
	for name, value := range fresh {
		dst := make([]byte, 0, 1024)
		if got := testing.AllocsPerRun(100, func() { _, _ = opener.Open(dst, "t", value) }); got > 0 && name != "rsa" { //nolint:errcheck // only the memory counts here
			t.Errorf("%s: rejecting a copy takes %v allocations", name, got)
		}
	}
}

// Without this, a record would stay rejected after the key of its other reader came, or
// would be rejected after an old key was dropped.
func TestReadersAreJudgedAgain(t *testing.T) {
	value := testSealer{readers: []*rsa.PrivateKey{key2048(), key3072()}}.seal(t, "hello", 0)
	opener := openerThatRequires(t, envelope.Requirements{HeldReaders: true})
	for _, c := range []struct {
		keys []*rsa.PrivateKey
		want error
	}{
		{[]*rsa.PrivateKey{key2048()}, envelope.ErrRejected},
		{[]*rsa.PrivateKey{key2048(), key3072()}, nil},
		{[]*rsa.PrivateKey{key2048()}, nil}, // key3072 was held
		{nil, envelope.ErrNoKey},
		{[]*rsa.PrivateKey{key3072()}, nil},
	} {
		if err := opener.SetKeys(c.keys...); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := opener.Open(nil, "t", value); !errors.Is(err, c.want) {
				t.Errorf("with %d keys: %v, want %v", len(c.keys), err, c.want)
			}
		}
	}
}

// Without this, a record for a key that was dropped would be rejected once more keys are
// used, or the ids of keys would fill the memory.
func TestKeysHeldBefore(t *testing.T) {
	value := testSealer{readers: []*rsa.PrivateKey{key2048(), key3072()}}.seal(t, "hello", 0)
	old := openerThatRequires(t, envelope.Requirements{HeldReaders: true}, key3072())
	opener, err := old.WithKeys(key2048())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := opener.Open(nil, "t", value); err != nil {
		t.Errorf("with the former key as another reader: %v", err)
	}
	if _, err := old.Open(nil, "t", value); !errors.Is(err, envelope.ErrRejected) {
		t.Errorf("the former opener: %v", err)
	}
	if _, err := old.WithKeys(new(rsa.PrivateKey)); err == nil {
		t.Error("a key that opens nothing is accepted")
	}
	var ids []string
	for i := range 3000 {
		ids = envelope.RememberKnown(ids, fmt.Sprint(i%1500))
	}
	if len(ids) != 1024 || !slices.Contains(ids, "1499") || slices.Contains(ids, "0") {
		t.Errorf("%d ids are remembered", len(ids))
	}
}

// Without this, nobody would learn that somebody else can read a record.
func TestOtherReaders(t *testing.T) {
	for _, format := range []string{"envelope", "json"} {
		value := testSealer{readers: []*rsa.PrivateKey{key3072(), key2048(), key4096()}}.seal(t, "hello", 0)
		if format == "json" {
			var err error
			if value, err = envelope.Convert(value); err != nil {
				t.Fatal(err)
			}
		}
		opener := newOpener(t)
		for _, c := range []struct{ keys, want []*rsa.PrivateKey }{
			{[]*rsa.PrivateKey{key2048()}, []*rsa.PrivateKey{key3072(), key4096()}},
			{[]*rsa.PrivateKey{key4096()}, []*rsa.PrivateKey{key3072()}}, // key2048 was held
			{[]*rsa.PrivateKey{key3072()}, nil},
		} {
			if err := opener.SetKeys(c.keys...); err != nil {
				t.Fatal(err)
			}
			msg, err := opener.Open(nil, "t", value)
			if err != nil || !slices.Equal(msg.OtherReaders, keyIDs(c.want...)) {
				t.Errorf("%s: got %v, %v, want %v", format, msg.OtherReaders, err, keyIDs(c.want...))
			}
		}
	}
	for name, value := range map[string][]byte{"rsa": seal(t, key2048(), "x"), "jwe": testSealer{format: envelope.FormatJWE}.seal(t, "x", 0)} {
		if msg, err := newOpener(t, key2048()).Open(nil, "t", value); err != nil || msg.OtherReaders != nil {
			t.Errorf("%s: %v, %v", name, msg.OtherReaders, err)
		}
	}
}

// Without this, records that are written again years later could evict the data keys in
// use of verified senders, and make every record cost a private-key operation.
func TestExpiredDataKeysEvictNoneInUse(t *testing.T) {
	opener := openerThatRequires(t, envelope.Requirements{VerifiedSender: true}, key2048())
	current := testSealer{signing: signingKey(1)}.seal(t, "hello", 0)
	if _, err := opener.Open(nil, "t", current); err != nil {
		t.Fatal(err)
	}
	old := testSealer{signing: signingKey(1), limits: envelope.Limits{Records: 1}}.sealer(t)
	old.SetClock(func() time.Time { return time.Now().Add(-81 * time.Minute) })
	for range 600 {
		if msg, err := opener.Open(nil, "t", mustSeal(t, old, "hello", 0)); err != nil || msg.Sender.State != envelope.SenderVerified {
			t.Fatal(err)
		}
	}
	if !opener.Caches(current) {
		t.Error("expired data keys evicted one in use")
	}
}
