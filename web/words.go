package web

import "strings"

// words is one language of the page. Every text that the page shows is here.
type words map[string]string

// say gives a text with its {placeholders} filled, from pairs of name and value.
func (w words) say(id string, pairs ...string) string {
	text := w[id]
	for i := 0; i+1 < len(pairs); i += 2 {
		text = strings.ReplaceAll(text, "{"+pairs[i]+"}", pairs[i+1])
	}
	return text
}

func english() words {
	return words{
		"heading":   "Welcome to Confidential Containers on AKS!",
		"stored":    "Encrypted Kafka Message",
		"stored.by": "what Kafka stores",
		"seen":      "What this pod sees",
		"encrypted": "Still encrypted",
		"nothing":   "No record yet",
		"null":      "(null)",
		"empty":     "(empty)",
		"base64":    "bytes, as base64",
		"cut":       "the first {shown} of {all} bytes; all of it: /api/records",
		"skip":      "Skip to the records",
		"records":   "Records",
		"pause":     "Pause",
		"resume":    "Resume",
		"live":      "Live",
		"lost":      "Connection lost, reconnecting",
		"paused":    "Paused",
		"reload":    "This page does not update by itself without JavaScript: reload it.",
		"new":       "{n} new",
		"passed":    "Passed too fast to show here: {n}",
		"limit":     "The newest {n} are shown. All that this pod still holds: /api/records",
		"state":     "State",
		"message":   "Message",
		"place":     "Topic / partition / offset",
		"time":      "Time",
		"open":      "This page has no sign-in and no TLS: whoever reaches it reads the messages.",
		"counts":    "{decrypted} decrypted · {unreadable} unreadable · {plain} not encrypted",

		"record.decrypted":     "Decrypted",
		"record.no_key":        "Encrypted, no key here",
		"record.unknown_key":   "Encrypted for another key",
		"record.undecryptable": "Could not be opened",
		"record.malformed":     "Damaged",
		"record.plain":         "Not encrypted",

		"why.decrypted":         "Opened in this pod with key {id}.",
		"why.no_key":            "Opens by itself if its key arrives. See key release above.",
		"why.unknown_key":       "Needs {needs}; this pod holds {ids}. Add its vault name to SkrClientKID or correct PUBKEY.",
		"why.undecryptable":     "Damaged, altered, or copied from another topic. Check who may write.",
		"why.undecryptable.rsa": "Another key, or altered; this format cannot tell. Compare PUBKEY with {ids}.",
		"why.malformed":         "Looks encrypted, but its structure is broken. Check the writer of offset {o}.",
		"why.plain":             "Assume that Kafka's operators can read it. Check who may write.",

		"sender.verified":                  "From {name}",
		"sender.unverified.unsigned":       "Unsigned: anyone with the public key could have written this.",
		"sender.unverified.nobody_trusted": "Signed, but no senders are configured here. Set TRUSTED_SENDERS_FILE.",
		"sender.untrusted.unknown":         "Signed by an unknown key {id}. Add it if it is expected.",
		"sender.untrusted.bad_signature":   "The signature is wrong. Treat as forged.",
		"sender.unchecked":                 "Sender not checked: the record was not opened.",

		"flag.repeat":           "Seen before at offset {o}: a retry or a replay. Compare both.",
		"flag.repeat.forgotten": "Seen before: a retry or a replay.",
		"flag.gap":              "{n} missing before this one: late, expired or withheld. Check retention.",
		"flag.late":             "Out of order: records sealed after this one came before it. Check who may write.",
		"flag.moved":            "Sealed for partition {p}, found in {q}. Check who may write.",
		"flag.unbound":          "Not bound to a topic: it may have been copied from elsewhere.",

		"details":         "Details",
		"detail.format":   "Format",
		"detail.key":      "Key",
		"detail.data_key": "Data key",
		"detail.counter":  "Counter",
		"detail.signer":   "Signing key",

		"key.not_configured":  "No key requested",
		"key.waiting":         "Asking for the key",
		"key.unreachable":     "No key: nothing answers at {url}",
		"key.refused":         "Key refused at {step}",
		"key.released":        "Key released {time}, {via} reports, after attestation",
		"key.from_file":       "Key read from a file; nothing was attested",
		"key.held":            "Key held since {time}; last check refused",
		"todo.not_configured": "Set SkrClientKID, SkrClientMAAEndpoint, SkrClientAKVEndpoint.",
		"todo.waiting":        "Nothing to do yet.",
		"todo.from_file":      "For development only. Set KEY_PROVIDER=skr.",
		"todo.released":       "This page cannot prove it. Verify from outside.",
		"todo.held":           "A release cannot be taken back. Restart to drop the key.",
		"refused.claim":       "{claim}: expected {x}, measured {y}.",
		"again":               "Check again",
		"via.skr":             "the sidecar",
		"via.cdh":             "the data hub",
		"via.file":            "the file",
		"attempts":            "Attempts: {n}, since {time}.",
		"attempts.next":       "Attempts: {n}, since {time}; next at {next}.",
		"step.sidecar":        "{via}",
		"step.attestation":    "attestation",
		"step.vault":          "the vault",
		"step.policy":         "the release policy",
		"step.key":            "the key itself",

		"attestation.checked":   "What this pod is: its own attestation",
		"attestation.unchecked": "What this pod is: its own attestation, not checked",
		"attestation.failed":    "No attestation of this pod's own",
		"attestation.after":     "Obtained after, not for, the release of the key.",
		"attestation.compared":  "Compared with this pod's copy; the vault decides by its own.",
		"attestation.alone":     "Nothing to compare with. Set RELEASE_POLICY_FILE.",
		"attestation.times":     "Issued {issued}, expires {expires}.",
		"attestation.download":  "Download the token, to verify it from outside",
		"check.claim":           "What was measured",
		"check.expected":        "Expected",
		"check.actual":          "Actual",
		"check.result":          "Result",
		"check.equal":           "equal",
		"check.different":       "different",
		"check.not_checked":     "not checked",
		"check.nothing":         "nothing",
		"check.unstated":        "not stated",

		"claim.iss":                             "Attestation service",
		"claim.x-ms-attestation-type":           "Kind of hardware",
		"claim.x-ms-compliance-status":          "Kind of guest",
		"claim.x-ms-sevsnpvm-hostdata":          "Hash of this pod's security policy",
		"claim.x-ms-sevsnpvm-is-debuggable":     "Whether a debugger may look in",
		"claim.x-ms-sevsnpvm-vmpl":              "Privilege level (0 is the highest)",
		"claim.x-ms-sevsnpvm-launchmeasurement": "Measurement of the guest at launch",
		"claim.x-ms-sevsnpvm-bootloader-svn":    "Firmware: boot loader version",
		"claim.x-ms-sevsnpvm-tee-svn":           "Firmware: secure processor version",
		"claim.x-ms-sevsnpvm-snpfw-svn":         "Firmware: SEV-SNP version",
		"claim.x-ms-sevsnpvm-microcode-svn":     "Firmware: microcode version",

		"kafka.connecting":        "Connecting to Kafka.",
		"kafka.unreachable":       "Kafka not reachable: {cause}. Check {check}.",
		"kafka.refused":           "Kafka refuses this pod: {cause}. Check {check}.",
		"kafka.no_topic":          "Topic {t} does not exist. Create it or check TOPIC.",
		"kafka.reading.no_record": "No records yet in {t}. Is the producer running?",
	}
}
