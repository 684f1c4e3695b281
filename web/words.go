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

		"key.not_configured":      "No key requested",
		"key.waiting":             "Asking for the key",
		"key.unreachable":         "No key: nothing answers at {url}",
		"key.refused":             "Key refused at {step}",
		"key.released":            "Key released {time}, the sidecar reports, after attestation",
		"key.held":                "Key held since {time}; last check refused",
		"todo.not_configured":     "Set SkrClientKID, SkrClientMAAEndpoint, SkrClientAKVEndpoint.",
		"todo.waiting":            "{reason} Nothing to do yet.",
		"todo.released":           "This page cannot prove it. Verify from outside.",
		"todo.held":               "A release cannot be taken back. Restart to drop the key.",
		"attempts":                "Asked {n} times since {time}.",
		"attempts.next":           "Asked {n} times since {time}; next at {next}.",
		"step.sidecar":            "the sidecar",
		"step.attestation":        "attestation",
		"step.vault":              "the vault",
		"step.policy":             "the release policy",
		"step.key":                "the key itself",
		"kafka.connecting":        "Connecting to Kafka.",
		"kafka.unreachable":       "Kafka not reachable: {cause}. Check BROKERS.",
		"kafka.no_topic":          "Topic {t} does not exist. Create it or check TOPIC.",
		"kafka.reading.no_record": "No records yet in {t}. Is the producer running?",
	}
}
