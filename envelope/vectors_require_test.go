package envelope

import (
	"bytes"
	"crypto/ed25519"
	"strings"
	"testing"
)

// requirements returns what a vector's reader requires. Keys are named by their files.
func (v *vector) requirements(t *testing.T) Requirements {
	t.Helper()
	var r Requirements
	for name := range strings.FieldsSeq(v.requireFormats) {
		r.Formats = append(r.Formats, Format(name))
	}
	for name := range strings.FieldsSeq(v.requireSenders) {
		if name == "verified" {
			r.VerifiedSender = true
			continue
		}
		key, err := ParseSigningKey(testFile(t, name))
		if err != nil {
			t.Fatal(err)
		}
		r.SenderIDs = append(r.SenderIDs, SigningKeyID(ed25519.PublicKey(key[ed25519.SeedSize:])))
	}
	for name := range strings.FieldsSeq(v.allowedReaders) {
		if name == "held" {
			r.HeldReaders = true
			continue
		}
		r.ReaderIDs = append(r.ReaderIDs, KeyID(&testKeys(t, name)[0].PublicKey))
	}
	return r
}

// requiring adds vectors of readers with requirements.
func requiring(t *testing.T, s vectorSet) {
	t.Helper()
	requireFormat(t, s)
	requireSender(t, s)
	requireReaders(t, s)
}

func requireFormat(t *testing.T, s vectorSet) {
	t.Helper()
	one := func() *draft { return newDraft(t, "reader.pem") }
	two := func() *draft { return newDraft(t, "second.pem", "reader.pem") }
	for name, c := range map[string]struct{ comment, formats, record string }{
		"rejected_format_plain":         {"not encrypted", "rsa envelope jwe", vectorMessage},
		"rejected_format_empty":         {"empty, which is not encrypted", "rsa envelope jwe", ""},
		"rejected_format_rsa":           {"rsa, which is not accepted", "envelope jwe", string(s["rsa_reader"].record)},
		"rejected_format_rsa_malformed": {"other base64 counts as rsa", "envelope jwe", strings.Repeat("A", 201)},
		"rejected_format_envelope":      {"envelope, which is not accepted", "jwe rsa", one().binary()},
		"rejected_format_envelope_cut":  {"the first byte tells the format", "jwe rsa", one().binary()[:50]},
		"rejected_format_jwe":           {"jwe, which is not accepted", "envelope", one().text()},
		"rejected_format_json":          {"the other text form of jwe", "envelope", two().text()},
		"rejected_format_others":        {"a foreign JWE has the format jwe", "envelope", one().compact(foreignHeader)},
		"rejected_format_json_foreign":  {"a foreign JWE in JSON has the format jwe", "envelope", string(s["json_foreign_flattened"].record)},
	} {
		s.reject(t, name, c.comment, "format", vector{requireFormats: c.formats, record: []byte(c.record)})
	}
	s.add(t, "required_format_envelope", "the format is accepted", native(one().binary(), vector{requireFormats: "jwe envelope"}))
	s.add(t, "required_format_jwe", "the format is accepted", native(one().text(), vector{requireFormats: "jwe", format: FormatJWE}))
	s.add(t, "required_format_malformed", "the format is accepted", vector{outcome: "malformed", requireFormats: "envelope", record: []byte(one().binary()[:50])})
}

func requireSender(t *testing.T, s vectorSet) {
	t.Helper()
	one := func() *draft { return newDraft(t, "reader.pem") }
	alice := func() *draft { return one().sign(t, "alice.pem") }
	verified := vector{requireSenders: "verified", trusted: "trusted.pem"}
	sender := func(name, comment string, v vector, record string) {
		t.Helper()
		v.record = []byte(record)
		s.reject(t, "rejected_sender_"+name, comment, "sender", v)
	}
	sender("unsigned", "nobody signed", verified, one().binary())
	sender("rsa", "the format rsa proves no sender", verified, string(s["rsa_reader"].record))
	sender("others", "a foreign JWE proves no sender", verified, one().compact(foreignHeader))
	sender("unknown", "by a key that is not trusted", verified, one().sign(t, "mallory.pem").binary())
	sender("jwe", "text by a key that is not trusted", verified, one().sign(t, "mallory.pem").text())
	sender("json", "text for two readers by a key that is not trusted", verified, newDraft(t, "second.pem", "reader.pem").sign(t, "mallory.pem").text())
	sender("signature_altered", "one bit of the signature", verified, alice().with(func(d *draft) { d.signature[0] ^= 1 }).binary())
	sender("signature_copied", "the signature of another data key", verified,
		alice().with(func(d *draft) { d.signature = alice().signature }).binary())
	sender("reader_added", "the signature covers the readers", verified, one().addStrangers(1, 256).with(func(d *draft) {
		all := d.recipients
		d.recipients = all[:1]
		d.sign(t, "alice.pem").recipients = all
	}).commit().binary())
	sender("dated_again", "the signature covers the times", verified, alice().with(func(d *draft) { d.expires++ }).binary())
	sender("before_tag", "an unknown key signed, and the tag is wrong as well", verified, altered(one().sign(t, "mallory.pem").binary(), -1))
	keyless := verified
	keyless.keys = "none"
	sender("without_keys", "needs no key to decide", keyless, one().binary())
	other := vector{requireSenders: "bob.pem", trusted: "trusted_two.pem"}
	sender("not_required", "by a trusted sender, but another one is required", other, alice().binary())

	as := func(name string) Sender { return Sender{State: SenderVerified, Name: name} }
	verified.sender = as("alice, billing")
	s.add(t, "required_sender_verified", "any trusted sender is required", native(alice().binary(), verified))
	other.sender = as("bob")
	s.add(t, "required_sender_bob", "one trusted sender is required", native(one().sign(t, "bob.pem").binary(), other))
	other.requireSenders, other.sender = "alice.pem bob.pem", as("alice, billing")
	s.add(t, "required_sender_one_of_two", "one of two senders is required", native(alice().text(), with(other, func(v *vector) { v.format = FormatJWE })))

	refuse := func(name, comment, outcome string, v vector, record string) {
		t.Helper()
		v.outcome, v.record = outcome, []byte(record)
		v.requireSenders, v.trusted = "verified", "trusted.pem"
		s.add(t, "required_sender_"+name, comment, v)
	}
	refuse("malformed", "the structure comes before the sender", "malformed", vector{}, one().with(func(d *draft) { d.topic = "t/u" }).binary())
	refuse("of_another_topic", "the topic comes before the sender", "undecryptable", vector{topic: "u"}, one().binary())
	refuse("without_keys", "the sender is the required one", "no key", vector{keys: "none"}, alice().binary())
	refuse("for_others", "the sender is the required one", "unknown key", vector{keys: "stranger.pem"}, alice().binary())
	refuse("tag_altered", "the prefix of the required sender, before another text", "undecryptable", vector{}, altered(alice().binary(), -1))
	s.reject(t, "rejected_format_before_sender", "neither the format nor the sender is allowed", "format",
		vector{requireFormats: "envelope", requireSenders: "verified", trusted: "trusted.pem", record: []byte(one().text())})
}

func requireReaders(t *testing.T, s vectorSet) {
	t.Helper()
	two := func() *draft { return newDraft(t, "second.pem", "reader.pem") }
	held := vector{allowedReaders: "held"}
	reader := func(name, comment string, v vector, record string) {
		t.Helper()
		v.record = []byte(record)
		s.reject(t, "rejected_reader_"+name, comment, "reader", v)
	}
	reader("second", "the first of two readers holds another key", held, two().binary())
	reader("json", "text for two readers, of whom one holds another key", held, two().text())
	reader("last_of_16", "one stranger among 16 readers", with(held, func(v *vector) { v.keys = "reader.pem second.pem" }), two().addStrangers(1, 256).binary())
	reader("not_allowed", "another reader is allowed, but not this one", vector{allowedReaders: "held stranger.pem"}, two().binary())
	reader("before_tag", "decided before the tag, which is wrong", held, altered(two().binary(), -1))
	s.reject(t, "rejected_sender_before_reader", "neither the sender nor the readers are allowed", "sender",
		vector{allowedReaders: "held", requireSenders: "verified", trusted: "trusted.pem", record: []byte(two().binary())})

	s.add(t, "allowed_readers_held", "both keys are held", native(two().binary(), with(held, func(v *vector) { v.keys, v.key = "reader.pem second.pem", "second.pem" })))
	s.add(t, "allowed_readers_named", "the other reader is allowed", native(two().binary(), vector{allowedReaders: "held second.pem"}))
	s.add(t, "allowed_readers_rsa", "a record of the format rsa has one reader", vector{allowedReaders: "held", format: FormatRSA, plaintext: vectorMessage, record: bytes.Clone(s["rsa_reader"].record)})
	s.add(t, "allowed_readers_others", "a foreign JWE has one reader", vector{
		allowedReaders: "held", format: FormatJWE, plaintext: vectorMessage, record: []byte(newDraft(t, "reader.pem").compact(foreignHeader)),
	})
	s.add(t, "allowed_readers_without_keys", "the readers are not judged without a key", vector{outcome: "no key", allowedReaders: "held", keys: "none", record: []byte(two().binary())})
	s.add(t, "allowed_readers_for_others", "the readers are not judged without a key for the record", vector{outcome: "unknown key", allowedReaders: "held", keys: "stranger.pem", record: []byte(two().binary())})
}

// reject adds a vector of a rejected record.
func (s vectorSet) reject(t *testing.T, name, comment, reason string, v vector) {
	t.Helper()
	v.outcome, v.reason = "rejected", reason
	s.add(t, name, comment, v)
}

// native returns a vector whose record, a native one of newDraft, opens.
func native(record string, v vector) vector {
	v.record, v.plaintext, v.counted, v.bound, v.partition, v.counter = []byte(record), vectorMessage, true, true, 3, 5
	v.issued, v.expires = vectorIssued, vectorExpires
	return v
}

// with changes a copy of a vector.
func with(v vector, change func(*vector)) vector {
	change(&v)
	return v
}
