package envelope

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
)

func refuseBinary(t *testing.T, s set) {
	t.Helper()
	one := func(change func(*draft)) string { return newDraft(t, "reader.pem").with(change).commit().binary() }
	same := func(*draft) {}
	good := one(same)
	sized := func(size int) string {
		return one(func(d *draft) { d.recipients[0].wrapped = make([]byte, size) })
	}
	end := len(good) - ivSize - len(vectorMessage) - tagSize
	s.refuse(t, "malformed", map[string]string{
		"envelope_version_only":        "\xC1",
		"envelope_three_bytes":         good[:3],
		"envelope_flags_2":             "\xC1\x02" + good[2:],
		"envelope_flags_129":           "\xC1\x81" + good[2:],
		"envelope_no_topic":            one(func(d *draft) { d.topic = "" }),
		"envelope_topic_250":           one(func(d *draft) { d.topic = strings.Repeat("x", 250) }),
		"envelope_topic_with_quote":    one(func(d *draft) { d.topic = `t"` }),
		"envelope_topic_with_slash":    one(func(d *draft) { d.topic = `t/u` }),
		"envelope_topic_not_ascii":     one(func(d *draft) { d.topic = "tü" }),
		"envelope_no_recipient":        one(func(d *draft) { d.recipients = nil }),
		"envelope_17_recipients":       one(func(d *draft) { d.strangers(16, 256) }),
		"envelope_255_recipients":      one(func(d *draft) { d.strangers(254, 256) }),
		"envelope_recipient_twice":     one(func(d *draft) { d.recipients = append(d.recipients, d.recipients[0]) }),
		"envelope_wrapped_0":           sized(0),
		"envelope_wrapped_255":         sized(255),
		"envelope_wrapped_1025":        sized(1025),
		"envelope_wrapped_65535":       sized(65535),
		"envelope_wrapped_past_end":    good[:end-256-2] + "\xff\xff" + good[end-256:],
		"envelope_cut_in_prefix":       good[:end-1],
		"envelope_cut_after_prefix":    good[:end],
		"envelope_27_bytes_left":       good[:end+27],
		"envelope_negative_partition":  one(func(d *draft) { d.iv = appendIV(nil, -1, 0) }),
		"envelope_partition_2_31":      one(func(d *draft) { d.iv[0] = 0x80 }),
		"envelope_signed_cut_in_place": newDraft(t, "reader.pem").sign(t, "alice.pem").binary()[:100],
	})
}

func refuseText(t *testing.T, s set) {
	t.Helper()
	good := newDraft(t, "reader.pem").textual()
	parts := func(change func(text []string)) string { return newDraft(t, "reader.pem").parts(change) }
	part := func(i int, change func(string) string) string {
		return parts(func(text []string) { text[i] = change(text[i]) })
	}
	once := func(i int, to string) string { return parts(func(text []string) { text[i] = to }) }
	cut := func(text string) string { return text[:len(text)-1] }
	s.refuse(t, "malformed", map[string]string{
		"jwe_four_parts":           good[:strings.LastIndex(good, ".")],
		"jwe_three_parts":          good[:strings.LastIndex(good[:strings.LastIndex(good, ".")], ".")],
		"jwe_header_only":          good[:strings.Index(good, ".")],
		"jwe_cut_in_header":        good[:150],
		"jwe_six_parts":            good + ".AA",
		"jwe_line_break_after":     good + "\n",
		"jwe_blank_after":          good + " ",
		"jwe_line_break_in_text":   part(3, func(text string) string { return text[:4] + "\n" + text[4:] }),
		"jwe_line_break_in_iv":     part(2, func(text string) string { return text[:15] + "\n" }),
		"jwe_header_padded":        parts(func(text []string) { text[0] = b64([]byte(othersHeader)) + "=" }),
		"jwe_header_loose_bits":    once(0, b64([]byte(othersHeader))[:50]+"1"),
		"jwe_wrapped_padded":       once(1, strings.Repeat("A", 342)+"=="),
		"jwe_wrapped_loose_bits":   once(1, strings.Repeat("A", 341)+"B"),
		"jwe_wrapped_empty":        once(1, ""),
		"jwe_wrapped_255":          once(1, b64(make([]byte, 255))),
		"jwe_wrapped_1025":         once(1, b64(make([]byte, 1025))),
		"jwe_iv_empty":             strings.Replace(good, "."+b64(appendIV(nil, 3, 5))+".", "..", 1),
		"jwe_iv_11":                strings.Replace(good, "."+b64(appendIV(nil, 3, 5))+".", "."+b64(make([]byte, 11))+".", 1),
		"jwe_iv_16":                strings.Replace(good, "."+b64(appendIV(nil, 3, 5))+".", "."+b64(make([]byte, 16))+".", 1),
		"jwe_text_padded":          part(3, func(text string) string { return text + "==" }),
		"jwe_text_base64":          part(3, func(text string) string { return text[:3] + "/" + text[4:] }),
		"jwe_text_one_character":   part(3, func(string) string { return "A" }),
		"jwe_tag_15":               part(4, func(text string) string { return text[:20] }),
		"jwe_tag_17":               part(4, func(text string) string { return text + "A" }),
		"jwe_tag_empty":            part(4, func(string) string { return "" }),
		"jwe_tag_loose_bits":       part(4, func(text string) string { return cut(text) + "B" }),
		"jwe_negative_partition":   newDraft(t, "reader.pem").with(func(d *draft) { d.iv[0] = 0x80 }).textual(),
		"rsa_cut":                  strings.Repeat("A", 340),
		"rsa_base64url":            strings.Repeat("_", 342) + "==",
		"rsa_wrapped_in_lines":     strings.Repeat("A", 64) + "\n" + strings.Repeat("A", 278) + "==",
		"rsa_not_padded":           strings.Repeat("A", 342),
		"rsa_loose_bits":           strings.Repeat("A", 341) + "B==",
		"base64_of_201_characters": strings.Repeat("A", 201),
	})
}

func refuseHeaders(t *testing.T, s set) {
	t.Helper()
	header := func(json string) string { return newDraft(t, "reader.pem").compact(json) }
	with := func(members string) string { return header(othersHeader[:len(othersHeader)-1] + "," + members + "}") }
	alg := func(alg string) string { return header(`{"alg":` + alg + `,"enc":"A256GCM"}`) }
	enc := func(enc string) string { return header(`{"alg":"RSA-OAEP-256","enc":` + enc + `}`) }
	s.refuse(t, "malformed", map[string]string{
		"others_8193":              with(`"x":"` + strings.Repeat("x", 8193-45) + `"`),
		"others_not_json":          header(`{"enc" is not JSON`),
		"others_text_after":        header(othersHeader + "x"),
		"others_two_objects":       header(othersHeader + othersHeader),
		"others_comma":             header(`{"alg":"RSA-OAEP-256","enc":"A256GCM",}`),
		"others_not_utf8":          with("\"x\":\"\xff\""),
		"others_alg_twice":         with(`"alg":"RSA-OAEP-256"`),
		"others_alg_twice_escaped": with(`"\u0061lg":"RSA-OAEP-256"`),
		"others_unknown_twice":     with(`"x":1,"x":1`),
		"others_nested_17":         with(`"x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16)),
		"others_nested_deep":       with(`"x":` + strings.Repeat("[", 4000) + strings.Repeat("]", 4000)),
		"others_nested_twice":      with(`"x":[{"y":1,"y":2}]`),
		"others_alg_missing":       header(`{"enc":"A256GCM"}`),
		"others_alg_none":          alg(`"none"`),
		"others_alg_dir":           alg(`"dir"`),
		"others_alg_rsa1_5":        alg(`"RSA1_5"`),
		"others_alg_rsa_oaep":      alg(`"RSA-OAEP"`),
		"others_alg_rsa_oaep_512":  alg(`"RSA-OAEP-512"`),
		"others_alg_lower_case":    alg(`"rsa-oaep-256"`),
		"others_alg_number":        alg(`1`),
		"others_alg_name_case":     header(`{"ALG":"RSA-OAEP-256","enc":"A256GCM"}`),
		"others_enc_missing":       header(`{"alg":"RSA-OAEP-256"}`),
		"others_enc_a128gcm":       enc(`"A128GCM"`),
		"others_enc_cbc":           enc(`"A256CBC-HS512"`),
		"others_enc_null":          enc(`null`),
		"others_zip":               with(`"zip":"DEF"`),
		"others_zip_null":          with(`"zip":null`),
		"others_crit":              with(`"crit":["exp"],"exp":1`),
		"others_crit_empty":        with(`"crit":[]`),
		"others_crit_known":        with(`"crit":["topic"],"topic":"t"`),
		"others_typ_number":        with(`"typ":1`),
		"others_typ_v2":            with(`"typ":"kafka-e2ee-v2"`),
		"others_typ_upper_case":    with(`"typ":"KAFKA-E2EE-V1"`),
		"others_kid_number":        with(`"kid":1`),
		"others_topic_number":      with(`"topic":1`),
		"others_topic_null":        with(`"topic":null`),
		"others_topic_empty":       with(`"topic":""`),
	})
}

func refuseOurHeaders(t *testing.T, s set) {
	t.Helper()
	ours := func(from, to string) string {
		d := newDraft(t, "reader.pem").sign(t, "alice.pem")
		return d.compact(replaced(string(d.header()), from, to))
	}
	member := func(name string, of func(*draft) string) string {
		d := newDraft(t, "reader.pem").sign(t, "alice.pem")
		return d.compact(replaced(string(d.header()), `,"`+name+`":"`+of(d)+`"`, ""))
	}
	commitment := func(d *draft) string { return b64(d.commitment[:]) }
	d := newDraft(t, "reader.pem")
	s.refuse(t, "malformed", map[string]string{
		"jwe_header_with_blank":         ours(`,"enc"`, `, "enc"`),
		"jwe_header_another_order":      ours(`"alg":"RSA-OAEP-256","enc":"A256GCM"`, `"enc":"A256GCM","alg":"RSA-OAEP-256"`),
		"jwe_header_escaped":            ours(`"topic":"t"`, `"topic":"\u0074"`),
		"jwe_header_more":               ours(`"typ"`, `"x":1,"typ"`),
		"jwe_header_topic_with_blank":   ours(`"topic":"t"`, `"topic":"t "`),
		"jwe_header_without_topic":      ours(`"topic":"t",`, ``),
		"jwe_header_without_commitment": member("commitment", commitment),
		"jwe_header_without_signer":     member("signer", func(d *draft) string { return b64(d.signer[:]) }),
		"jwe_header_without_signature":  member("signature", func(d *draft) string { return b64(d.signature[:]) }),
		"jwe_header_without_kid":        member("kid", func(d *draft) string { return b64(d.recipients[0].id[:]) }),
		"jwe_header_short_commitment":   d.compact(replaced(string(d.header()), commitment(d), b64(d.commitment[:31]))),
		"jwe_header_kid_twice":          ours(`"typ"`, `"kid":"x","typ"`),
		"jwe_header_line_break_after":   ours(`"}`, "\"}\n"),
		"jwe_header_zip":                ours(`"typ"`, `"zip":"DEF","typ"`),
		"jwe_header_crit":               ours(`"typ"`, `"crit":["commitment"],"typ"`),
		"jwe_header_alg_dir":            ours(`"RSA-OAEP-256"`, `"dir"`),
	})
}

func refuseJSON(t *testing.T, s set) {
	t.Helper()
	two := func() *draft { return newDraft(t, "second.pem", "reader.pem") }
	good := two().textual()
	sized := func(n int) string {
		return string((&record{prefix: &two().strangers(n-2, 256).prefix, iv: make([]byte, 12), sealed: make([]byte, 16)}).appendText(nil))
	}
	p, oneReader := prefixOf(t, good), newDraft(t, "reader.pem").record()
	s.refuse(t, "malformed", map[string]string{
		"json_blank":           replaced(good, `","recipients"`, `", "recipients"`),
		"json_line_break":      good + "\n",
		"json_cut":             good[:len(good)-1],
		"json_cut_early":       good[:100],
		"json_17_recipients":   sized(17),
		"json_one_recipient":   string(oneReader.appendJSON(nil, oneReader.sealed[:len(vectorMessage)], oneReader.sealed[len(vectorMessage):])),
		"json_recipient_twice": two().with(func(d *draft) { d.recipients[1] = d.recipients[0] }).commit().textual(),
		"json_alg_beside":      replaced(good, `{"kid":`, `{"alg":"RSA-OAEP-256","kid":`),
		"json_unprotected":     replaced(good, `,"iv":`, `,"unprotected":{},"iv":`),
		"json_aad":             replaced(good, `,"iv":`, `,"aad":"AA","iv":`),
		"json_others":          replaced(good, b64(p.header()), b64([]byte(othersHeader))),
		"json_wrapped_255":     two().with(func(d *draft) { d.recipients[0].wrapped = make([]byte, 255) }).commit().textual(),
		"json_tag_15":          good[:len(good)-4] + `"}`,
	})
}

func prefixOf(t *testing.T, text string) prefix {
	t.Helper()
	r, err := parseJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return *r.prefix
}

func refuseKeys(t *testing.T, s set) {
	t.Helper()
	one := func() *draft { return newDraft(t, "reader.pem") }
	unsigned, signed := one(), one().sign(t, "alice.pem")
	good := unsigned.binary()
	end := len(good) - len(vectorMessage) - tagSize
	kid := `{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"` + KeyID(&testKeys(t, "reader.pem")[0].PublicKey) + `"}`
	dataKey := func(size int) *draft {
		return one().with(func(d *draft) {
			d.key = make([]byte, 32)
			d.recipients[0].wrapped = wrap(t, &testKeys(t, "reader.pem")[0].PublicKey, d.key[:size], sha256.New())
			d.commitment = d.commitTo(d.key[:size])
		})
	}
	stripped := *signed
	stripped.signed = false
	resigned := *signed
	resigned.sign(t, "mallory.pem")
	oaepSHA1 := one().with(func(d *draft) {
		d.recipients[0].wrapped = wrap(t, &testKeys(t, "reader.pem")[0].PublicKey, d.key, sha1.New())
	}).commit()
	under := func(p prefix, from *draft) string {
		r := from.record()
		r.prefix = &p
		return string(r.binary())
	}
	s.refuse(t, "undecryptable", map[string]string{
		"envelope_tag_altered":          altered(good, -1),
		"envelope_text_altered":         altered(good, end),
		"envelope_counter_altered":      altered(good, end-1),
		"envelope_partition_altered":    altered(good, end-9),
		"envelope_wrapped_altered":      altered(good, end-ivSize-1),
		"envelope_text_cut":             good[:len(good)-1],
		"envelope_text_longer":          good + "\x00",
		"envelope_topic_rewritten":      under(prefix{topic: "t", commitment: unsigned.commitment, recipients: unsigned.recipients}, one().with(func(d *draft) { d.prefix, d.key = unsigned.prefix, unsigned.key; d.topic = "u" })),
		"envelope_signature_stripped":   under(stripped.prefix, signed),
		"envelope_signed_by_another":    under(resigned.prefix, signed),
		"envelope_of_another_prefix":    under(one().prefix, unsigned),
		"envelope_recipient_added":      one().with(func(d *draft) { commitment := d.commitment; d.strangers(1, 256).commitment = commitment }).binary(),
		"envelope_other_reader_altered": newDraft(t, "reader.pem", "second.pem").with(func(d *draft) { d.recipients[1].wrapped[0] ^= 1 }).binary(),
		"json_other_reader_altered":     newDraft(t, "reader.pem", "second.pem").with(func(d *draft) { d.recipients[1].wrapped[0] ^= 1 }).textual(),
		"json_readers_swapped":          newDraft(t, "reader.pem", "second.pem").with(func(d *draft) { d.recipients[0], d.recipients[1] = d.recipients[1], d.recipients[0] }).textual(),
		"envelope_two_data_keys":        one().with(func(d *draft) { d.commitment = d.commitTo(make([]byte, 32)) }).binary(),
		"envelope_wrapped_longer":       one().with(func(d *draft) { d.recipients[0].wrapped = append(d.recipients[0].wrapped, 0) }).commit().binary(),
		"envelope_wrapped_oaep_sha1":    oaepSHA1.binary(),
		"envelope_data_key_31":          dataKey(31).binary(),
		"envelope_data_key_16":          dataKey(16).binary(),
		"envelope_data_key_empty":       dataKey(0).binary(),
		"envelope_of_another_topic":     one().with(func(d *draft) { d.topic = "u" }).binary(),
		"envelope_topic_by_case":        one().with(func(d *draft) { d.topic = "T" }).binary(),
		"jwe_of_another_topic":          one().with(func(d *draft) { d.topic = "u" }).textual(),
		"jwe_two_data_keys":             one().with(func(d *draft) { d.commitment = d.commitTo(make([]byte, 32)) }).textual(),
		"jwe_text_altered":              one().parts(func(text []string) { text[3] = "AAAA" + text[3][4:] }),
		"json_two_data_keys":            newDraft(t, "second.pem", "reader.pem").with(func(d *draft) { d.commitment = d.commitTo(make([]byte, 32)) }).textual(),
		"others_of_another_topic":       one().compact(`{"alg":"RSA-OAEP-256","enc":"A256GCM","topic":"u"}`),
		"others_data_key_16":            dataKey(16).compact(othersHeader),
		"others_wrapped_altered":        one().with(func(d *draft) { d.recipients[0].wrapped[7] ^= 1 }).compact(othersHeader),
		"others_for_stranger":           newDraft(t, "stranger.pem").compact(othersHeader),
		"others_tag_altered":            altered(one().compact(othersHeader), -5),
		"rsa_for_stranger":              base64.StdEncoding.EncodeToString(wrap(t, &testKeys(t, "stranger.pem")[0].PublicKey, []byte(vectorMessage), sha256.New())),
		"rsa_oaep_sha1":                 base64.StdEncoding.EncodeToString(wrap(t, &testKeys(t, "reader.pem")[0].PublicKey, []byte(vectorMessage), sha1.New())),
	})
	for name, record := range map[string]string{"envelope": good, "jwe": one().textual(), "others": one().compact(othersHeader), "json": newDraft(t, "reader.pem", "second.pem").textual()} {
		s.add(t, name+"_without_keys", "the reader holds no key", vector{outcome: "no key", keys: "none", record: []byte(record)})
	}
	for name, record := range map[string]string{"envelope": good, "jwe": one().textual(), "others": one().compact(kid), "json": newDraft(t, "reader.pem", "second.pem").textual()} {
		s.add(t, name+"_for_others", "the reader holds other keys", vector{outcome: "unknown key", keys: "stranger.pem", record: []byte(record)})
	}
	s.add(t, "envelope_without_keys_of_another_topic", "the topic comes before the keys", vector{outcome: "undecryptable", keys: "none", topic: "u", record: []byte(good)})
}
