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

		"why.decrypted":     "Opened in this pod with key {id}.",
		"why.no_key":        "Opens by itself if its key arrives. See key release above.",
		"why.unknown_key":   "Needs {needs}; this pod holds {ids}. Add its vault name to SkrClientKID or correct PUBKEY.",
		"why.undecryptable": "Another key, or altered; this format cannot tell. Compare PUBKEY with {ids}.",
		"why.malformed":     "Looks encrypted, but its structure is broken. Check the writer of offset {o}.",
		"why.plain":         "Assume that Kafka's operators can read it. Check who may write.",

		"sender.unverified": "Unsigned: anyone with the public key could have written this.",
		"sender.unchecked":  "Sender not checked: the record was not opened.",

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
