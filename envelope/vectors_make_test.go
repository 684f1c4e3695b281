package envelope

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"math"
	"strings"
	"testing"
)

const vectorMessage = "Msg 1: hello"

// The times of the vectors' data keys: one hour, and the hold.
const vectorIssued, vectorExpires = 1_764_489_600, vectorIssued + 4500

// draft holds the parts of a record before it is sealed, so that a vector can change any.
type draft struct {
	prefix
	key       []byte
	iv        []byte
	plaintext string
}

// newDraft returns the parts of a correct record for the keys in the files named.
func newDraft(t *testing.T, readers ...string) *draft {
	t.Helper()
	d := &draft{key: make([]byte, 32), iv: appendIV(nil, 3, 5), plaintext: vectorMessage}
	rand.Read(d.key)
	d.topic, d.issued, d.expires = "t", vectorIssued, vectorExpires
	for _, name := range readers {
		key := &testKeys(t, name)[0].PublicKey
		d.recipients = append(d.recipients, recipient{id: keyID(key), wrapped: wrap(t, key, d.key, sha256.New())})
	}
	return d.commit()
}

// commit updates the commitment after a change of the recipients.
func (d *draft) commit() *draft {
	d.commitment = d.commitTo(d.key)
	return d
}

func wrap(t *testing.T, key *rsa.PublicKey, dataKey []byte, h hash.Hash) []byte {
	t.Helper()
	wrapped, err := rsa.EncryptOAEP(h, rand.Reader, key, dataKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	return wrapped
}

// with changes a draft and returns it.
func (d *draft) with(change func(*draft)) *draft {
	change(d)
	return d
}

func (d *draft) sign(t *testing.T, name string) *draft {
	t.Helper()
	key, err := ParseSigningKey(testFile(t, name))
	if err != nil {
		t.Fatal(err)
	}
	d.signed, d.signer = true, signingKeyID(ed25519.PublicKey(key[32:]))
	copy(d.signature[:], ed25519.Sign(key, d.transcript()))
	return d
}

// addStrangers adds recipients whose keys nobody has.
func (d *draft) addStrangers(n, size int) *draft {
	for range n {
		r := recipient{wrapped: make([]byte, size)}
		rand.Read(r.id[:])
		rand.Read(r.wrapped)
		d.recipients = append(d.recipients, r)
	}
	return d.commit()
}

func (d *draft) seal(aad string) []byte {
	aead, err := newGCM(d.key)
	if err != nil {
		panic(err)
	}
	return aead.Seal(nil, d.iv, []byte(d.plaintext), []byte(aad))
}

func (d *draft) record() *record {
	return &record{prefix: &d.prefix, iv: d.iv, sealed: d.seal(b64(d.header()))}
}

func (d *draft) binary() string { return string(d.record().binary()) }
func (d *draft) text() string   { return string(d.record().text()) }

// compact returns the Compact Serialization with any header.
func (d *draft) compact(header string) string {
	aad := b64([]byte(header))
	sealed := d.seal(aad)
	end := len(sealed) - tagSize
	return strings.Join([]string{aad, b64(d.recipients[0].wrapped), b64(d.iv), b64(sealed[:end]), b64(sealed[end:])}, ".")
}

// parts returns the Compact Serialization with changed parts.
func (d *draft) parts(change func(text []string)) string {
	text := strings.Split(d.text(), ".")
	change(text)
	return strings.Join(text, ".")
}

func altered(record string, at int) string {
	raw := []byte(record)
	if at < 0 {
		at += len(raw)
	}
	raw[at] ^= 1
	return string(raw)
}

func replaced(text, from, to string) string {
	if !strings.Contains(text, from) {
		panic(fmt.Sprintf("%q is not in %q", from, text))
	}
	return strings.Replace(text, from, to, 1)
}

func makeVectors(t *testing.T) vectorSet {
	t.Helper()
	s := make(vectorSet)
	acceptNative(t, s)
	acceptForeign(t, s)
	refusePlain(t, s)
	refuseBinary(t, s)
	refuseText(t, s)
	refuseHeaders(t, s)
	refuseNativeHeaders(t, s)
	refuseJSON(t, s)
	refuseKeys(t, s)
	requiring(t, s)
	leanRecords(t, s)
	return s
}

func acceptNative(t *testing.T, s vectorSet) {
	t.Helper()
	one := func() *draft { return newDraft(t, "reader.pem") }
	two := func() *draft { return newDraft(t, "second.pem", "reader.pem") }
	ok := func(record string) vector {
		return vector{record: []byte(record), plaintext: vectorMessage, counted: true, bound: true, partition: 3, counter: 5, issued: vectorIssued, expires: vectorExpires}
	}
	accept := func(name, comment string, v vector, change func(*vector)) {
		t.Helper()
		change(&v)
		s.add(t, name, comment, v)
	}
	as := func(state SenderState, name string, reason SenderReason) func(*vector) {
		return func(v *vector) {
			v.trusted, v.sender = "trusted.pem", Sender{State: state, Name: name, Reason: reason}
		}
	}
	same, text := func(*vector) {}, func(v *vector) { v.format = FormatJWE }

	accept("envelope", "one reader, not signed", ok(one().binary()), same)
	accept("envelope_empty", "a plaintext of no bytes", ok(one().with(func(d *draft) { d.plaintext = "" }).binary()), func(v *vector) { v.plaintext = "" })
	accept("envelope_last_partition_and_counter", "partition 2^31-1, counter 2^64-1",
		ok(one().with(func(d *draft) { d.iv = appendIV(nil, math.MaxInt32, math.MaxUint64) }).binary()),
		func(v *vector) { v.partition, v.counter = math.MaxInt32, math.MaxUint64 })
	long := "AZaz09._-" + strings.Repeat("x", 240)
	accept("envelope_longest_topic", "249 characters, with all kinds", ok(one().with(func(d *draft) { d.topic = long }).binary()), func(v *vector) { v.topic = long })
	dated := func(issued, expires uint64) (*draft, func(*vector)) {
		return one().with(func(d *draft) { d.issued, d.expires = issued, expires }), func(v *vector) { v.issued, v.expires = int64(issued), int64(expires) }
	}
	shortest, short := dated(vectorIssued, vectorIssued+1)
	accept("envelope_valid_for_one_second", "the shortest time between iat and exp", ok(shortest.binary()), short)
	longest, day := dated(vectorIssued, vectorIssued+maxLifetime)
	accept("envelope_valid_for_one_day", "the longest time between iat and exp", ok(longest.binary()), day)
	first, past := dated(1, 2)
	accept("envelope_of_1970", "the lowest iat, in one digit", ok(first.binary()), past)
	last, future := dated(maxTime-1, maxTime)
	accept("envelope_of_9999", "the highest exp, in twelve digits", ok(last.binary()), future)
	accept("envelope_several_keys_held", "the reader holds others, too", ok(one().binary()), func(v *vector) { v.keys = "stranger.pem second.pem reader.pem" })
	accept("envelope_two_readers", "the second of two opens", ok(two().binary()), same)
	accept("envelope_two_readers_other", "the first of two opens", ok(two().binary()), func(v *vector) { v.keys, v.key = "second.pem", "second.pem" })
	accept("envelope_first_wrapped_key_broken", "both keys are held, the first wrapped key is altered",
		ok(two().with(func(d *draft) { d.recipients[0].wrapped[9] ^= 1 }).commit().binary()), func(v *vector) { v.keys = "second.pem reader.pem" })
	accept("envelope_16_readers", "as many as there can be, with the longest wrapped keys", ok(one().addStrangers(15, 1024).binary()), same)
	accept("envelope_signed", "by a sender who is trusted", ok(one().sign(t, "alice.pem").binary()), as(SenderVerified, "alice, billing", ""))
	accept("envelope_signed_two_readers", "the transcript covers both", ok(two().sign(t, "alice.pem").binary()), as(SenderVerified, "alice, billing", ""))
	accept("envelope_unsigned_with_trust", "senders are trusted, but nobody signed", ok(one().binary()), as(SenderUnverified, "", ReasonUnsigned))
	accept("envelope_signed_nobody_trusted", "no trusted senders are given", ok(one().sign(t, "alice.pem").binary()),
		func(v *vector) { v.sender = Sender{State: SenderUnverified, Reason: ReasonNobodyTrusted} })
	accept("envelope_signed_by_unknown", "by a key that is not trusted", ok(one().sign(t, "mallory.pem").binary()), as(SenderUntrusted, "", ReasonUnknownSigner))
	accept("envelope_signature_altered", "one bit of the signature", ok(one().sign(t, "alice.pem").with(func(d *draft) { d.signature[0] ^= 1 }).binary()), as(SenderUntrusted, "", ReasonBadSignature))
	accept("envelope_signature_of_another_data_key", "copied from a record of the same sender",
		ok(one().sign(t, "alice.pem").with(func(d *draft) { d.signature = newDraft(t, "reader.pem").sign(t, "alice.pem").signature }).binary()), as(SenderUntrusted, "", ReasonBadSignature))
	accept("envelope_signature_of_mallory_as_alice", "the signer named is trusted, another one signed",
		ok(one().sign(t, "alice.pem").with(func(d *draft) {
			signer := d.signer
			d.sign(t, "mallory.pem").signer = signer
		}).binary()), as(SenderUntrusted, "", ReasonBadSignature))
	accept("envelope_reader_added_after_signing", "the signature does not cover the second reader",
		ok(one().addStrangers(2, 256).with(func(d *draft) {
			all := d.recipients
			d.recipients = all[:2]
			d.sign(t, "alice.pem").recipients = all
		}).binary()), as(SenderUntrusted, "", ReasonBadSignature))
	accept("envelope_dated_after_signing", "the signature covers the times",
		ok(one().sign(t, "alice.pem").with(func(d *draft) { d.issued, d.expires = d.issued+1, d.expires+1 }).binary()), func(v *vector) {
			as(SenderUntrusted, "", ReasonBadSignature)(v)
			v.issued, v.expires = vectorIssued+1, vectorExpires+1
		})
	accept("jwe", "one reader, not signed", ok(one().text()), text)
	accept("jwe_empty", "a plaintext of no bytes", ok(one().with(func(d *draft) { d.plaintext = "" }).text()), func(v *vector) { v.format, v.plaintext = FormatJWE, "" })
	early, ancient := dated(1, 2)
	accept("jwe_of_1970", "the lowest iat, in one digit", ok(early.text()), func(v *vector) {
		ancient(v)
		text(v)
	})
	accept("jwe_signed", "by a sender who is trusted", ok(one().sign(t, "alice.pem").text()), func(v *vector) {
		as(SenderVerified, "alice, billing", "")(v)
		text(v)
	})
	accept("json", "two readers, not signed", ok(two().text()), text)
	accept("json_signed", "two readers, by a sender who is trusted", ok(two().sign(t, "alice.pem").text()), func(v *vector) {
		as(SenderVerified, "alice, billing", "")(v)
		text(v)
	})
}

const foreignHeader = `{"alg":"RSA-OAEP-256","enc":"A256GCM"}`

func acceptForeign(t *testing.T, s vectorSet) {
	t.Helper()
	id := KeyID(&testKeys(t, "reader.pem")[0].PublicKey)
	for name, c := range map[string]struct {
		comment, header string
		bound           bool
		keys            string
	}{
		"others":                {"no member but alg and enc", foreignHeader, false, ""},
		"others_many_keys_held": {"without kid, every key is tried", foreignHeader, false, "stranger.pem second.pem reader.pem"},
		"others_kid":            {"kid is the thumbprint", `{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"` + id + `"}`, false, "stranger.pem reader.pem"},
		"others_named_kid":      {"kid is not a thumbprint", `{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"prod-2026"}`, false, ""},
		"others_topic":          {"bound to the topic", `{"enc":"A256GCM","topic":"t","alg":"RSA-OAEP-256"}`, true, ""},
		"others_typ":            {"another typ", `{"typ":"JOSE","alg":"RSA-OAEP-256","enc":"A256GCM"}`, false, ""},
		"others_blank":          {"the header starts with a brace and a blank", `{ "alg": "RSA-OAEP-256", "enc": "A256GCM" }`, false, ""},
		"others_line_break":     {"the header starts with a brace and a line break", "{\n\"alg\":\"RSA-OAEP-256\",\"enc\":\"A256GCM\"}\n", false, ""},
		"others_ignored":        {"members that are ignored, and addresses that nobody may visit", `{"alg":"RSA-OAEP-256","enc":"A256GCM","jku":"https://x.test/","commitment":1,"iat":"now","exp":-1.5,"signature":"AA","a":[{"b":1},{"b":1}]}`, false, ""},
		"others_nested_16":      {"as deep as it may be", `{"alg":"RSA-OAEP-256","enc":"A256GCM","x":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`, false, ""},
		"others_8192":           {"the longest header", `{"alg":"RSA-OAEP-256","enc":"A256GCM","x":"` + strings.Repeat("x", 8192-45) + `"}`, false, ""},
	} {
		s.add(t, name, c.comment, vector{
			record:    []byte(newDraft(t, "reader.pem").compact(c.header)),
			plaintext: vectorMessage, format: FormatJWE, bound: c.bound, keys: c.keys,
		})
	}
	s.add(t, "others_iv_of_negative_partition", "an IV of others is no partition", vector{
		record:    []byte(newDraft(t, "reader.pem").with(func(d *draft) { d.iv = bytes.Repeat([]byte{0xff}, ivSize) }).compact(foreignHeader)),
		plaintext: vectorMessage, format: FormatJWE,
	})
	for _, name := range []string{"reader.pem", "second.pem"} {
		block := wrap(t, &testKeys(t, name)[0].PublicKey, []byte(vectorMessage), sha256.New())
		s.add(t, "rsa_"+strings.TrimSuffix(name, ".pem"), "format rsa", vector{
			record: []byte(base64.StdEncoding.EncodeToString(block)), keys: "reader.pem second.pem", key: name, plaintext: vectorMessage, format: FormatRSA,
		})
	}
}

func refusePlain(t *testing.T, s vectorSet) {
	t.Helper()
	s.refuse(t, "not encrypted", map[string]string{
		"plain_empty":           "",
		"plain_text":            "Msg 1: hello",
		"plain_json":            `{"value":"hello"}`,
		"plain_json_web_token":  b64([]byte(`{"alg":"EdDSA","typ":"JWT"}`)) + "." + b64([]byte(`{"sub":"x"}`)) + "." + strings.Repeat("A", 86),
		"plain_eyj":             "eyJ",
		"plain_short_base64":    "aGVsbG8=",
		"plain_sentence_of_eye": "eye. to. eye. to. eye.",
		"plain_utf8":            "Ärger",
	})
}
