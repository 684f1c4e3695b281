package envelope

import (
	"testing"
)

// lean returns the lean record of a draft.
func (d *draft) lean() string { return leanOf(d.binary()) }

// leanOf returns the lean record of a full one.
func leanOf(full string) string {
	n, err := prefixLen([]byte(full))
	if err != nil {
		panic(err)
	}
	return leanStart(nameOf([]byte(full[:n]))) + full[n:]
}

// leanRecords adds lean records, most of them after a full one of the same data key.
func leanRecords(t *testing.T, s vectorSet) {
	t.Helper()
	one := func() *draft { return newDraft(t, "reader.pem") }
	two := func() *draft { return newDraft(t, "second.pem", "reader.pem") }
	first := func(d *draft) string { // a full record with the same header
		other := *d
		other.iv, other.plaintext = appendIV(nil, 3, 4), "Msg 0: hello"
		return other.binary()
	}
	acceptLean(t, s, one, two, first)

	d, foreign := one(), one()
	alice := one().sign(t, "alice.pem")
	after := func(outcome, name, comment, earlier, record string, v vector) {
		t.Helper()
		v.outcome, v.earlier, v.record = outcome, earlier, []byte(record)
		s.add(t, "lean_"+name, comment, v)
	}
	changed := func(d *draft, change func(*draft)) *draft {
		other := *d
		change(&other)
		return &other
	}
	named := func(header *draft, record string) string { // a record under the name of a header
		return header.lean()[:leanSize] + record[leanSize:]
	}
	after("needs header", "without_header", "no full record was read before", "", d.lean(), vector{})
	after("needs header", "without_header_and_keys", "whether a key is missing shows only with the header", "", d.lean(), vector{keys: "none"})
	after("needs header", "name_altered", "one bit of the name", first(d), altered(d.lean(), 2), vector{})
	after("needs header", "name_end_altered", "the last bit of the name", first(d), altered(d.lean(), leanSize-1), vector{})
	after("needs header", "of_another_header", "the full record has another data key", first(foreign), d.lean(), vector{})
	stripped := changed(alice, func(d *draft) { d.signed = false })
	after("needs header", "signature_stripped", "the header without its signature has another name", first(stripped), alice.lean(), vector{trusted: "trusted.pem"})
	after("needs header", "header_dated_again", "the name covers the times", first(changed(d, func(d *draft) { d.expires++ })), d.lean(), vector{})
	after("needs header", "header_reader_added", "the name covers the readers", first(changed(d, func(d *draft) { d.addStrangers(1, 256) })), d.lean(), vector{})
	elsewhere := one().with(func(d *draft) { d.topic = "u" })
	after("needs header", "of_another_topic", "the header of another topic is not kept", first(elsewhere), elsewhere.lean(), vector{})
	broken := one().with(func(d *draft) { d.issued = 0 })
	after("needs header", "header_malformed", "a broken header is not kept", first(broken), broken.lean(), vector{})
	after("needs header", "header_of_a_lean_record", "a lean record brings no header", changed(d, func(d *draft) { d.iv = appendIV(nil, 3, 4) }).lean(), d.lean(), vector{})

	after("malformed", "45_bytes", "shorter than an empty message", first(d), d.lean()[:45], vector{})
	after("malformed", "name_only", "nothing behind the name", first(d), d.lean()[:leanSize], vector{})
	after("malformed", "two_bytes", "cut in the name", first(d), d.lean()[:2], vector{})
	negative := changed(d, func(d *draft) { d.iv = appendIV(nil, -1, 5) })
	after("malformed", "negative_partition", "the partition is 2^32-1", first(d), negative.lean(), vector{})
	after("malformed", "negative_partition_without_header", "decided before the header", "", negative.lean(), vector{})
	after("malformed", "flags_3", "no other flags are known", first(d), "\xC1\x03"+d.lean()[2:], vector{})

	after("undecryptable", "tag_altered", "one bit of the tag", first(d), altered(d.lean(), -1), vector{})
	after("undecryptable", "text_altered", "one bit of the ciphertext", first(d), altered(d.lean(), leanSize+ivSize), vector{})
	after("undecryptable", "counter_altered", "one bit of the IV", first(d), altered(d.lean(), leanSize+ivSize-1), vector{})
	after("undecryptable", "of_another_data_key", "a record under the name of a header that it was not sealed with", first(d), named(d, foreign.lean()), vector{})
	nameOnly := d.lean()[:leanSize] + string(d.iv) + string(d.seal(d.lean()[:leanSize]))
	after("undecryptable", "sealed_with_the_name", "the additional data is the name instead of the header", first(d), nameOnly, vector{})
	unsigned := changed(alice, func(d *draft) { d.signed = false })
	after("undecryptable", "sealed_without_signature", "the signature was added to the header after sealing", first(alice), named(alice, unsigned.lean()), vector{trusted: "trusted.pem"})
	wrapped := one().with(func(d *draft) { d.recipients[0].wrapped[9] ^= 1 })
	after("undecryptable", "wrapped_altered", "the header's wrapped key is altered", first(wrapped), wrapped.lean(), vector{})
	after("no key", "without_keys", "the header is known, but the reader holds no key", first(d), d.lean(), vector{keys: "none"})
	after("unknown key", "for_others", "the header names other keys", first(d), d.lean(), vector{keys: "stranger.pem"})

	reject := func(name, comment, reason, earlier, record string, v vector) {
		t.Helper()
		v.earlier, v.record = earlier, []byte(record)
		s.reject(t, "lean_rejected_"+name, comment, reason, v)
	}
	mallory := one().sign(t, "mallory.pem")
	reject("format", "a lean record has the format envelope; decided before the header", "format", "", d.lean(), vector{requireFormats: "jwe rsa"})
	reject("sender", "the header has no signature", "sender", first(d), d.lean(), vector{requireSenders: "verified", trusted: "trusted.pem"})
	reject("sender_unknown", "by a key that is not trusted", "sender", first(mallory), mallory.lean(), vector{requireSenders: "verified", trusted: "trusted.pem"})
	both := two()
	reject("reader", "the header names a reader that is not allowed", "reader", first(both), both.lean(), vector{allowedReaders: "held"})
}

func acceptLean(t *testing.T, s vectorSet, one, two func() *draft, first func(*draft) string) {
	t.Helper()
	accept := func(name, comment string, d *draft, v vector) {
		t.Helper()
		v = native(d.lean(), v)
		v.earlier, v.plaintext = first(d), d.plaintext
		s.add(t, "lean"+name, comment, v)
	}
	verified := Sender{State: SenderVerified, Name: "alice, billing"}
	accept("", "after a full record of the same data key", one(), vector{})
	accept("_empty", "a plaintext of no bytes", one().with(func(d *draft) { d.plaintext = "" }), vector{})
	accept("_two_readers", "the second of two opens", two(), vector{})
	accept("_16_readers", "a header of 17 KiB", one().addStrangers(15, 1024), vector{})
	accept("_signed", "by a sender who is trusted", one().sign(t, "alice.pem"), vector{trusted: "trusted.pem", sender: verified})
	accept("_signed_by_unknown", "by a key that is not trusted", one().sign(t, "mallory.pem"), vector{trusted: "trusted.pem", sender: Sender{State: SenderUntrusted, Reason: ReasonUnknownSigner}})
	accept("_signature_altered", "one bit of the header's signature", one().sign(t, "alice.pem").with(func(d *draft) { d.signature[0] ^= 1 }), vector{trusted: "trusted.pem", sender: Sender{State: SenderUntrusted, Reason: ReasonBadSignature}})
	accept("_required_sender", "the required sender signed the header", one().sign(t, "alice.pem"), vector{requireSenders: "verified", requireFormats: "envelope", trusted: "trusted.pem", sender: verified})

	d := one()
	s.add(t, "lean_after_altered_record", "the full record before does not open, but its header is sound",
		with(native(d.lean(), vector{}), func(v *vector) { v.earlier = altered(first(d), -1) }))
}
