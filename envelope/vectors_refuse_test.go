package envelope

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"math"
	"strings"
	"testing"
)

func refuseBinary(t *testing.T, s vectorSet) {
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
		"envelope_flags_4":             "\xC1\x04" + good[2:],
		"envelope_flags_129":           "\xC1\x81" + good[2:],
		"envelope_no_topic":            one(func(d *draft) { d.topic = "" }),
		"envelope_topic_250":           one(func(d *draft) { d.topic = strings.Repeat("x", 250) }),
		"envelope_topic_with_quote":    one(func(d *draft) { d.topic = `t"` }),
		"envelope_topic_with_slash":    one(func(d *draft) { d.topic = `t/u` }),
		"envelope_topic_not_ascii":     one(func(d *draft) { d.topic = "tü" }),
		"envelope_no_recipient":        one(func(d *draft) { d.recipients = nil }),
		"envelope_17_recipients":       one(func(d *draft) { d.addStrangers(16, 256) }),
		"envelope_255_recipients":      one(func(d *draft) { d.addStrangers(254, 256) }),
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
		"envelope_cut_in_times":        good[:3+1+idSize+timeSize],
	})
	dated := func(issued, expires uint64) string {
		return newDraft(t, "reader.pem").with(func(d *draft) { d.issued, d.expires = issued, expires }).binary()
	}
	s.refuse(t, "malformed", map[string]string{
		"envelope_iat_0":                 dated(0, 1),
		"envelope_exp_of_year_10000":     dated(maxTime, maxTime+1),
		"envelope_iat_2_63":              dated(1<<63, 1<<63+1),
		"envelope_exp_2_64_1":            dated(vectorIssued, math.MaxUint64),
		"envelope_exp_equals_iat":        dated(vectorIssued, vectorIssued),
		"envelope_exp_before_iat":        dated(vectorIssued, vectorIssued-1),
		"envelope_exp_a_day_and_1_after": dated(vectorIssued, vectorIssued+maxLifetime+1),
	})
}

func refuseText(t *testing.T, s vectorSet) {
	t.Helper()
	good := newDraft(t, "reader.pem").text()
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
		"jwe_header_padded":        parts(func(text []string) { text[0] = b64([]byte(foreignHeader)) + "=" }),
		"jwe_header_loose_bits":    once(0, b64([]byte(foreignHeader))[:50]+"1"),
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
		"jwe_negative_partition":   newDraft(t, "reader.pem").with(func(d *draft) { d.iv[0] = 0x80 }).text(),
		"rsa_cut":                  strings.Repeat("A", 340),
		"rsa_base64url":            strings.Repeat("_", 342) + "==",
		"rsa_wrapped_in_lines":     strings.Repeat("A", 64) + "\n" + strings.Repeat("A", 278) + "==",
		"rsa_not_padded":           strings.Repeat("A", 342),
		"rsa_loose_bits":           strings.Repeat("A", 341) + "B==",
		"base64_of_201_characters": strings.Repeat("A", 201),
	})
}

func refuseHeaders(t *testing.T, s vectorSet) {
	t.Helper()
	header := func(json string) string { return newDraft(t, "reader.pem").compact(json) }
	with := func(members string) string { return header(foreignHeader[:len(foreignHeader)-1] + "," + members + "}") }
	alg := func(alg string) string { return header(`{"alg":` + alg + `,"enc":"A256GCM"}`) }
	enc := func(enc string) string { return header(`{"alg":"RSA-OAEP-256","enc":` + enc + `}`) }
	s.refuse(t, "malformed", map[string]string{
		"others_8193":              with(`"x":"` + strings.Repeat("x", 8193-45) + `"`),
		"others_not_json":          header(`{"enc" is not JSON`),
		"others_text_after":        header(foreignHeader + "x"),
		"others_two_objects":       header(foreignHeader + foreignHeader),
		"others_comma":             header(`{"alg":"RSA-OAEP-256","enc":"A256GCM",}`),
		"others_not_utf8":          with("\"x\":\"\xff\""),
		"others_alg_twice":         with(`"alg":"RSA-OAEP-256"`),
		"others_alg_twice_escaped": with(`"\u0061lg":"RSA-OAEP-256"`),
		"others_unknown_twice":     with(`"x":1,"x":1`),
		"others_nested_17":         with(`"x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16)),
		"others_nested_deep":       with(`"x":` + strings.Repeat("[", 4000) + strings.Repeat("]", 4000)),
		"others_nested_twice":      with(`"x":[{"y":1,"y":2}]`),
		"others_alg_missing":       header(`{"enc":"A256GCM"}`),
		"others_alg_number":        alg(`1`),
		"others_alg_name_case":     header(`{"ALG":"RSA-OAEP-256","enc":"A256GCM"}`),
		"others_enc_missing":       header(`{"alg":"RSA-OAEP-256"}`),
		"others_enc_null":          enc(`null`),
		"others_typ_number":        with(`"typ":1`),
		"others_typ_v2":            with(`"typ":"kafka-e2ee-v2"`),
		"others_typ_upper_case":    with(`"typ":"KAFKA-E2EE-V1"`),
		"others_kid_number":        with(`"kid":1`),
		"others_topic_number":      with(`"topic":1`),
		"others_topic_null":        with(`"topic":null`),
		"others_topic_empty":       with(`"topic":""`),
	})
	parts := func(header string, rest ...string) string { return b64([]byte(header)) + "." + strings.Join(rest, ".") }
	cbc := func() string {
		return parts(`{"alg":"RSA-OAEP-256","enc":"A256CBC-HS512"}`, b64(make([]byte, 256)), b64(make([]byte, 16)), "AAAA", b64(make([]byte, 32)))
	}
	s.refuse(t, "unsupported", map[string]string{
		"others_alg_none":            alg(`"none"`),
		"others_alg_dir":             alg(`"dir"`),
		"others_alg_rsa1_5":          alg(`"RSA1_5"`),
		"others_alg_rsa_oaep":        alg(`"RSA-OAEP"`),
		"others_alg_rsa_oaep_512":    alg(`"RSA-OAEP-512"`),
		"others_alg_lower_case":      alg(`"rsa-oaep-256"`),
		"others_enc_a128gcm":         enc(`"A128GCM"`),
		"others_enc_cbc":             enc(`"A256CBC-HS512"`),
		"others_zip":                 with(`"zip":"DEF"`),
		"others_zip_null":            with(`"zip":null`),
		"others_crit":                with(`"crit":["exp"],"exp":1`),
		"others_crit_empty":          with(`"crit":[]`),
		"others_crit_known":          with(`"crit":["topic"],"topic":"t"`),
		"others_header_8000":         enc(`"A128GCM","x":"` + strings.Repeat("x", 7900) + `"`),
		"others_parts_of_cbc":        cbc(),
		"others_parts_of_dir":        parts(`{"alg":"dir","enc":"A128GCM"}`, "", b64(make([]byte, 12)), "AAAA", b64(make([]byte, 16))),
		"others_parts_of_a128kw":     parts(`{"alg":"A128KW","enc":"A256GCM"}`, b64(make([]byte, 40)), b64(make([]byte, 12)), "AAAA", b64(make([]byte, 16))),
		"others_alg_not_to_be_shown": alg(`"\u202e<script>"`),
	})
	s.refuse(t, "malformed", map[string]string{
		"others_alg_dir_wrapped_damaged": parts(`{"alg":"dir","enc":"A256GCM"}`, strings.Repeat("A", 341)+"=", b64(make([]byte, 12)), "AAAA", b64(make([]byte, 16))),
		"others_parts_of_cbc_cut":        cbc()[:len(cbc())-44],
		"others_parts_of_cbc_padded":     cbc() + "=",
		"others_alg_dir_of_typ_v2":       header(`{"alg":"dir","enc":"A256GCM","typ":"Kafka-E2EE-v2"}`),
		"others_zip_of_typ_v2":           header(`{"alg":"RSA-OAEP-256","enc":"A256GCM","typ":"kafka-e2ee-v2","zip":"DEF"}`),
		"others_enc_a128gcm_dup":         enc(`"A128GCM","enc":"A128GCM"`),
		"others_enc_a128gcm_line_end":    enc(`"A128GCM"`) + "\n",
	})
}

func refuseNativeHeaders(t *testing.T, s vectorSet) {
	t.Helper()
	native := func(from, to string) string {
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
		"jwe_header_with_blank":         native(`,"enc"`, `, "enc"`),
		"jwe_header_another_order":      native(`"alg":"RSA-OAEP-256","enc":"A256GCM"`, `"enc":"A256GCM","alg":"RSA-OAEP-256"`),
		"jwe_header_escaped":            native(`"topic":"t"`, `"topic":"\u0074"`),
		"jwe_header_more":               native(`"typ"`, `"x":1,"typ"`),
		"jwe_header_topic_with_blank":   native(`"topic":"t"`, `"topic":"t "`),
		"jwe_header_without_topic":      native(`"topic":"t",`, ``),
		"jwe_header_without_commitment": member("commitment", commitment),
		"jwe_header_without_signer":     member("signer", func(d *draft) string { return b64(d.signer[:]) }),
		"jwe_header_without_signature":  member("signature", func(d *draft) string { return b64(d.signature[:]) }),
		"jwe_header_without_kid":        member("kid", func(d *draft) string { return b64(d.recipients[0].id[:]) }),
		"jwe_header_short_commitment":   d.compact(replaced(string(d.header()), commitment(d), b64(d.commitment[:31]))),
		"jwe_header_kid_twice":          native(`"typ"`, `"kid":"x","typ"`),
		"jwe_header_line_break_after":   native(`"}`, "\"}\n"),
		"jwe_header_zip":                native(`"typ"`, `"zip":"DEF","typ"`),
		"jwe_header_crit":               native(`"typ"`, `"crit":["commitment"],"typ"`),
		"jwe_header_alg_dir":            native(`"RSA-OAEP-256"`, `"dir"`),
		"jwe_header_without_iat":        native(`"iat":1764489600,`, ``),
		"jwe_header_without_exp":        native(`"exp":1764494100,`, ``),
		"jwe_header_exp_before_iat":     native(`"iat":1764489600,"exp":1764494100`, `"exp":1764494100,"iat":1764489600`),
		"jwe_header_times_at_end":       timesAtEnd(newDraft(t, "reader.pem").sign(t, "alice.pem")),
		"jwe_header_iat_is_text":        native(`1764489600`, `"1764489600"`),
		"jwe_header_iat_is_null":        native(`1764489600`, `null`),
		"jwe_header_iat_fraction":       native(`1764489600`, `1764489600.0`),
		"jwe_header_iat_exponent":       native(`1764489600`, `17644896e2`),
		"jwe_header_iat_negative":       native(`1764489600`, `-1`),
		"jwe_header_iat_0":              native(`"iat":1764489600,"exp":1764494100`, `"iat":0,"exp":1`),
		"jwe_header_iat_zero_before":    native(`1764489600`, `01764489600`),
		"jwe_header_iat_twice":          native(`"iat":1764489600,`, `"iat":1764489600,"iat":1764489600,`),
		"jwe_header_exp_negative_zero":  native(`1764494100`, `-0`),
		"jwe_header_exp_2_64":           native(`1764494100`, `18446744073709551616`),
		"jwe_header_exp_equals_iat":     native(`1764494100`, `1764489600`),
		"jwe_header_exp_a_day_and_1":    native(`1764494100`, `1764576001`),
		"jwe_header_exp_of_year_10000":  native(`"iat":1764489600,"exp":1764494100`, `"iat":253402300799,"exp":253402300800`),
	})
}

// timesAtEnd returns a record with the right members in another order.
func timesAtEnd(d *draft) string {
	const times = `,"iat":1764489600,"exp":1764494100`
	return d.compact(replaced(replaced(string(d.header()), times, ""), "}", times+"}"))
}

func refuseJSON(t *testing.T, s vectorSet) {
	t.Helper()
	two := func() *draft { return newDraft(t, "second.pem", "reader.pem") }
	good := two().text()
	sized := func(n int) string {
		return string((&record{prefix: &two().addStrangers(n-2, 256).prefix, iv: make([]byte, 12), sealed: make([]byte, 16)}).text())
	}
	p, oneReader := prefixOf(t, good), newDraft(t, "reader.pem").record()
	s.refuse(t, "malformed", map[string]string{
		"json_blank":           replaced(good, `","recipients"`, `", "recipients"`),
		"json_line_break":      good + "\n",
		"json_cut":             good[:len(good)-1],
		"json_cut_early":       good[:100],
		"json_17_recipients":   sized(17),
		"json_one_recipient":   string(oneReader.generalJSON()),
		"json_recipient_twice": two().with(func(d *draft) { d.recipients[1] = d.recipients[0] }).commit().text(),
		"json_alg_beside":      replaced(good, `{"kid":`, `{"alg":"RSA-OAEP-256","kid":`),
		"json_unprotected":     replaced(good, `,"iv":`, `,"unprotected":{},"iv":`),
		"json_aad":             replaced(good, `,"iv":`, `,"aad":"AA","iv":`),
		"json_wrapped_255":     two().with(func(d *draft) { d.recipients[0].wrapped = make([]byte, 255) }).commit().text(),
		"json_tag_15":          good[:len(good)-4] + `"}`,
	})
	refuseForeignJSON(t, s, replaced(good, b64(p.header()), b64([]byte(foreignHeader))))
}

// refuseForeignJSON adds JWEs of other libraries, and documents that only look like one.
func refuseForeignJSON(t *testing.T, s vectorSet, others string) {
	t.Helper()
	one := newDraft(t, "reader.pem").record()
	sealed := `"iv":"` + b64(one.iv) + `","ciphertext":"` + b64(one.sealed[:len(vectorMessage)]) + `","tag":"` + b64(one.sealed[len(vectorMessage):]) + `"`
	protected, wrapped := `"protected":"`+b64([]byte(foreignHeader))+`"`, `"encrypted_key":"`+b64(one.recipients[0].wrapped)+`"`
	other := `"protected":"` + b64([]byte(`{"alg":"RSA-OAEP","enc":"A128GCM"}`)) + `"`
	s.refuse(t, "unsupported", map[string]string{
		"json_others":                      others,
		"json_foreign_flattened":           "{" + protected + "," + wrapped + "," + sealed + "}",
		"json_foreign_text_first":          "{" + sealed + "," + protected + "," + wrapped + "}",
		"json_foreign_general":             `{"recipients":[{` + wrapped + `}],` + protected + "," + sealed + "}",
		"json_foreign_indented":            "{\n  " + strings.ReplaceAll(protected, ":", " : ") + ",\n  " + wrapped + ",\n\t" + sealed + "\r\n}\n",
		"json_foreign_blank_before":        " \n{" + protected + "," + wrapped + "," + sealed + "}",
		"json_foreign_unprotected":         `{"unprotected":` + foreignHeader + "," + wrapped + "," + sealed + "}",
		"json_foreign_header":              `{"protected":"` + b64([]byte(`{"enc":"A256GCM"}`)) + `","header":{"alg":"RSA-OAEP-256"},` + wrapped + "," + sealed + "}",
		"json_foreign_recipient_header":    `{"protected":"` + b64([]byte(`{"enc":"A256GCM"}`)) + `","recipients":[{"header":{"alg":"RSA-OAEP-256","kid":"x"},` + wrapped + `},{"x":"]"}],` + sealed + "}",
		"json_foreign_more_members":        `{"x":{"y":["\"}]",{}]},` + protected + "," + wrapped + "," + sealed + `,"aad":"AA","z":1.5e3}`,
		"json_foreign_other_algorithms":    "{" + other + "," + wrapped + "," + sealed + "}",
		"json_foreign_without_wrapped_key": `{"protected":"` + b64([]byte(`{"alg":"dir","enc":"A256GCM"}`)) + `",` + sealed + "}",
	})
	s.refuse(t, "malformed", map[string]string{
		"json_foreign_of_our_type":  " " + newDraft(t, "reader.pem", "second.pem").text(),
		"json_foreign_of_typ_v2":    `{"tag":"AA","protected":"` + b64([]byte(`{"alg":"RSA-OAEP","enc":"A128GCM","typ":"kafka-e2ee-v2"}`)) + `",` + sealed + "}",
		"json_foreign_cut":          ("{" + protected + "," + wrapped + "," + sealed + "}")[:300],
		"json_foreign_text_after":   "{" + protected + "," + wrapped + "," + sealed + "}x",
		"json_foreign_without_text": "{" + protected + "," + wrapped + `,"iv":"AAAA","tag":"AAAA"}`,
	})
	s.refuse(t, "not encrypted", map[string]string{
		"plain_json_of_one_name":         `{"ciphertext":"AAAA"}`,
		"plain_json_without_header":      "{" + sealed + "}",
		"plain_json_without_algorithms":  `{"header":{"a":1},` + sealed + "}",
		"plain_json_alg_is_a_number":     `{"header":{"alg":1,"enc":"A256GCM"},` + sealed + "}",
		"plain_json_with_text_with_text": `{"header":{"alg":"x","enc":"y"},"iv":"AA","tag":"AA","ciphertext":"two words"}`,
		"plain_json_not_utf8":            "{\"x\":\"\xff\"," + protected + "," + wrapped + "," + sealed + "}",
		"plain_json_alg_twice":           `{"unprotected":{"alg":"x","alg":"x","enc":"y"},` + wrapped + "," + sealed + "}",
		"plain_json_nested":              `{"value":{` + protected + "," + wrapped + "," + sealed + "}}",
		"plain_json_about_jwe":           `{"protected":true,"ciphertext":"a JWE has it","iv":12,"tag":["a"]}`,
		"plain_json_in_a_list":           "[{" + protected + "," + wrapped + "," + sealed + "}]",
		"plain_json_broken":              `{"unprotected":` + foreignHeader + " " + wrapped + "," + sealed + "}",
	})
}

func prefixOf(t *testing.T, text string) prefix {
	t.Helper()
	r, err := parseGeneralJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return *r.prefix
}

func refuseKeys(t *testing.T, s vectorSet) {
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
	earlier, later := unsigned.prefix, unsigned.prefix
	earlier.issued--
	later.expires++
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
		"envelope_iat_altered":          under(earlier, unsigned),
		"envelope_exp_altered":          under(later, unsigned),
		"envelope_topic_rewritten":      under(prefix{topic: "t", commitment: unsigned.commitment, issued: unsigned.issued, expires: unsigned.expires, recipients: unsigned.recipients}, one().with(func(d *draft) { d.prefix, d.key = unsigned.prefix, unsigned.key; d.topic = "u" })),
		"envelope_signature_stripped":   under(stripped.prefix, signed),
		"envelope_signed_by_another":    under(resigned.prefix, signed),
		"envelope_of_another_prefix":    under(one().prefix, unsigned),
		"envelope_recipient_added":      one().with(func(d *draft) { commitment := d.commitment; d.addStrangers(1, 256).commitment = commitment }).binary(),
		"envelope_other_reader_altered": newDraft(t, "reader.pem", "second.pem").with(func(d *draft) { d.recipients[1].wrapped[0] ^= 1 }).binary(),
		"json_other_reader_altered":     newDraft(t, "reader.pem", "second.pem").with(func(d *draft) { d.recipients[1].wrapped[0] ^= 1 }).text(),
		"json_readers_swapped":          newDraft(t, "reader.pem", "second.pem").with(func(d *draft) { d.recipients[0], d.recipients[1] = d.recipients[1], d.recipients[0] }).text(),
		"envelope_two_data_keys":        one().with(func(d *draft) { d.commitment = d.commitTo(make([]byte, 32)) }).binary(),
		"envelope_wrapped_longer":       one().with(func(d *draft) { d.recipients[0].wrapped = append(d.recipients[0].wrapped, 0) }).commit().binary(),
		"envelope_wrapped_oaep_sha1":    oaepSHA1.binary(),
		"envelope_data_key_31":          dataKey(31).binary(),
		"envelope_data_key_16":          dataKey(16).binary(),
		"envelope_data_key_empty":       dataKey(0).binary(),
		"envelope_of_another_topic":     one().with(func(d *draft) { d.topic = "u" }).binary(),
		"envelope_topic_by_case":        one().with(func(d *draft) { d.topic = "T" }).binary(),
		"jwe_of_another_topic":          one().with(func(d *draft) { d.topic = "u" }).text(),
		"jwe_two_data_keys":             one().with(func(d *draft) { d.commitment = d.commitTo(make([]byte, 32)) }).text(),
		"jwe_text_altered":              one().parts(func(text []string) { text[3] = "AAAA" + text[3][4:] }),
		"json_two_data_keys":            newDraft(t, "second.pem", "reader.pem").with(func(d *draft) { d.commitment = d.commitTo(make([]byte, 32)) }).text(),
		"others_of_another_topic":       one().compact(`{"alg":"RSA-OAEP-256","enc":"A256GCM","topic":"u"}`),
		"others_data_key_16":            dataKey(16).compact(foreignHeader),
		"others_wrapped_altered":        one().with(func(d *draft) { d.recipients[0].wrapped[7] ^= 1 }).compact(foreignHeader),
		"others_for_stranger":           newDraft(t, "stranger.pem").compact(foreignHeader),
		"others_tag_altered":            altered(one().compact(foreignHeader), -5),
		"rsa_for_stranger":              base64.StdEncoding.EncodeToString(wrap(t, &testKeys(t, "stranger.pem")[0].PublicKey, []byte(vectorMessage), sha256.New())),
		"rsa_oaep_sha1":                 base64.StdEncoding.EncodeToString(wrap(t, &testKeys(t, "reader.pem")[0].PublicKey, []byte(vectorMessage), sha1.New())),
	})
	for name, record := range map[string]string{"envelope": good, "jwe": one().text(), "others": one().compact(foreignHeader), "json": newDraft(t, "reader.pem", "second.pem").text()} {
		s.add(t, name+"_without_keys", "the reader holds no key", vector{outcome: "no key", keys: "none", record: []byte(record)})
	}
	for name, record := range map[string]string{"envelope": good, "jwe": one().text(), "others": one().compact(kid), "json": newDraft(t, "reader.pem", "second.pem").text()} {
		s.add(t, name+"_for_others", "the reader holds other keys", vector{outcome: "unknown key", keys: "stranger.pem", record: []byte(record)})
	}
	s.add(t, "envelope_without_keys_of_another_topic", "the topic comes before the keys", vector{outcome: "undecryptable", keys: "none", topic: "u", record: []byte(good)})
}
