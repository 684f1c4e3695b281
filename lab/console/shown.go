package console

import (
	"cmp"
	"encoding/base64"
	"slices"

	"kafka-e2ee/lab/podapi"
	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/safetext"
	"kafka-e2ee/web/severity"
)

// seen is what a pod shows of the record.
func (c *Console) seen(l localizer, p *pod, r storedRecord) columnView {
	shown, ok, answers := p.at(r)
	switch {
	case !answers:
		return columnView{Severity: severity.Wait, Icon: "◔", Label: l.T("pod.starting"), Text: l.T("pod.starting_more"), Size: "words"}
	case !ok:
		return c.notShown(l, p, r)
	}
	v := columnView{Label: l.word("state.", shown.State)}
	v.Severity, v.Icon = severity.OfRecord(feed.State(shown.State), feed.RejectReason(shown.RejectReason))
	v.Flags = l.flags(shown)
	switch shown.State {
	case "decrypted", "plain":
		v.Key = shortKey(shown.KeyID)
		v = message(v, textOf(shown))
		v.Sender, v.SenderSeverity, v.SenderIcon = l.sender(shown)
	case "rejected":
		v.Text, v.Size = l.word("reject.", shown.RejectReason), "words"
		return v
	default:
		v = l.ciphertext(v, r)
	}
	if len(v.Flags) > 0 && v.Severity == severity.Good {
		v.Severity, v.Icon = severity.Bad, severity.FlagIcon
	}
	return v
}

// seenSince is what the confidential pod shows of the record, with the outcome of an attack on it. That stays what it was
// when it was observed: a pod that requires something else now may show the same record in another way.
func (c *Console) seenSince(l localizer, r storedRecord) columnView {
	v := c.seen(l, c.confidential, r)
	at := r.Position
	attack, ok := c.demo.AttackedAt(at)
	if !ok {
		return v
	}
	outcome := l.outcome(attack)
	outcome.Words = cmp.Or(l.T("outcome."+attack.Outcome), outcome.Words) // what the operator has read is in their own column
	v.Attack = l.T("column.attack", "attack", attack.Attack, "outcome", outcome.Words)
	if attack.Format != c.demo.Format() {
		v.Attack = l.T("column.attack_then", "attack", attack.Attack, "format", l.or("format."+attack.Format, attack.Format), "outcome", outcome.Words)
	}
	v.AttackSeverity, v.AttackIcon = outcome.Severity, outcome.Icon
	if v.Severity == severity.Good && slices.Contains(attack.Noticed, at) {
		v.Severity, v.Icon = severity.Wait, "⚠"
	}
	return v
}

// shortKey returns enough of a key's id to tell it from a few others.
func shortKey(id string) string { return safetext.Visible(id[:min(len(id), 8)]) }

// word returns the words for a name in the pod's API. A name that has none is shown itself.
func (l localizer) word(prefix, name string) string {
	return l.or(prefix+name, safetext.Visible(name))
}

// sender says who wrote a record that was opened, and how sure that is. The pod's own page is as sure.
func (l localizer) sender(r podapi.Record) (words, level, icon string) {
	level, icon = severity.OfSender(feed.SenderState(r.Sender.State))
	if r.Sender.State == "verified" {
		return l.T("sender.verified", "name", safetext.Visible(r.Sender.Name)), level, icon
	}
	return l.T("sender." + r.Sender.State), level, icon
}

// flags are what the pod warns of. An untrusted sender is a warning, too.
func (l localizer) flags(r podapi.Record) []string {
	var words []string
	for _, f := range r.Flags {
		if severity.OfFlag(f) == severity.Neutral {
			continue
		}
		words = append(words, l.word("flag.", f))
	}
	if r.Sender.State == "untrusted" {
		words = append(words, l.T("sender.untrusted"))
	}
	return words
}

// textOf returns the start of the message. Bytes that are no text are shown as base64.
func textOf(r podapi.Record) string {
	switch {
	case r.Value == nil:
		return ""
	case r.Encoding != nil && *r.Encoding == "base64":
		if bytes, err := base64.StdEncoding.DecodeString((*r.Value)[:len(*r.Value)/4*4]); err == nil {
			return safetext.NewPreview(bytes).Text
		}
	}
	return *r.Value
}
