package pages

import (
	"strconv"
	"unicode/utf8"

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/podstatus"
	"kafka-e2ee/web/safetext"
	"kafka-e2ee/web/severity"
	"kafka-e2ee/web/static"
)

// PageView is the main page, for [Page].
type PageView struct {
	Layout
	Cursor     string // where its event stream starts; empty on a page of older records, which has none
	Overview   Overview
	Connection ConnectionView
	Filter     FilterView
	Selected   int // records, by the filter
	Searched   int
	Rows       []RowView
	Older      string // the address of the records before these, if any
	Newest     string // the address of the newest records, on a page of older ones
	Exports    bool   // whether the records can be taken away as a file
}

// Layout is the part that all pages share: titles, notices and links, in one language.
type Layout struct {
	Localizer
	Title        string
	Heading      string
	Notice       string
	Languages    []LanguageLink
	PublicNotice string // who can see the page
	Files        static.Files
}

// Overview is the part above the rows. The stream replaces its parts one by one.
type Overview struct {
	banner bannerView
	attest attestationView
	sample SampleView
	alerts alertsView
	counts string
	kafka  kafkaView
	stats  []statsItem
}

// counts says how many records there are of each kind. Each record counts once.
func (l Localizer) counts(c feed.Counts) string {
	text := l.T("records.counts", "decrypted", strconv.Itoa(c.Decrypted), "locked", strconv.Itoa(c.Locked), "failed", strconv.Itoa(c.Failed), "plain", strconv.Itoa(c.Plain))
	if c.Tombstones > 0 {
		text += " · " + l.T("records.counts_null", "n", strconv.Itoa(c.Tombstones))
	}
	if c.Rejected > 0 {
		text += " · " + l.T("records.counts_rejected", "n", strconv.Itoa(c.Rejected))
	}
	return text
}

// keySeverity returns the severity of a state of key release, and its icon.
func keySeverity(state podstatus.KeyState) (name, icon string) {
	switch state {
	case podstatus.KeyReleased:
		return severity.Good, "✓"
	case podstatus.KeyWaiting, podstatus.KeyNotConfigured, podstatus.KeyUnreachable:
		return severity.Wait, "⊘"
	default:
		return severity.Bad, "⚠"
	}
}

// checkSeverity returns the severity of a claim's comparison, and its icon.
func checkSeverity(result podstatus.CheckResult) (name, icon string) {
	switch result {
	case podstatus.CheckEqual:
		return severity.Good, "✓"
	case podstatus.CheckNotChecked:
		return severity.Neutral, "–"
	default:
		return severity.Bad, "⚠"
	}
}

// recordSeverity is severity.OfRecord for a record. A rejected one that may be older than the requirement is no attack.
func recordSeverity(r *feed.Record) (name, icon string) {
	if r.Has(feed.ProblemRejectedUnsigned) {
		return severity.OfRecord(feed.StateRejected, feed.RejectFormat)
	}
	return severity.OfRecord(r.State, r.Rejection.Reason)
}

// SampleView is one record as Kafka stores it and as this pod sees it, for [Sample].
type SampleView struct {
	Found        bool
	Stored, Seen safetext.Preview
	Skipped      string // says how much is left out at the start
	Place        string // of the record; empty if there is none
	Ciphertext   bool   // Seen is not a message
	Long         bool   // Seen is a message that needs a smaller font to be seen whole
	State, Icon  string
	Label        string
	Sender       string // beside Label, if senders are trusted and this one is not verified
	SenderIcon   string
	None         string // in place of a sample
}

// Sample returns the summary's sample, or why there is none. If senders are trusted here (preferVerified), it names the
// sender of a record that is not verified.
func (l Localizer) Sample(summary feed.Summary, preferVerified bool) SampleView {
	r, before := summary.Sample, summary.Before
	switch {
	case summary.Empty:
		return SampleView{None: l.T("sample.none")}
	case r == nil:
		return SampleView{None: l.T("sample.all_rejected")}
	}
	place := l.T("sample.place", "partition", strconv.Itoa(int(r.Partition)), "offset", strconv.FormatInt(r.Offset, 10))
	if r.State == feed.StateRejected { // a viewer has opened it
		return SampleView{None: l.T("sample.rejected"), Place: place}
	}
	v := SampleView{Found: true, Seen: safetext.NewPreview(r.Shown()), Label: l.label(r), Place: place}
	same := 0
	if before != nil && r.State != feed.StatePlain && r.Format != formatRSA {
		same = safetext.SharedStart(r.Stored, before.Stored)
	}
	if v.Stored = safetext.PreviewFrom(r.Stored, same); v.Stored.Skipped > 0 {
		v.Skipped = l.T("sample.skipped", "n", strconv.Itoa(v.Stored.Skipped))
	}
	v.State, v.Icon = recordSeverity(r)
	if preferVerified && r.State == feed.StateDecrypted && r.Sender.State != feed.SenderVerified {
		v.State, v.SenderIcon = severity.OfSender(r.Sender.Status())
		v.Sender = l.shortSender(r.Sender)
	}
	switch missing := l.missing(r); {
	case missing != "":
		v.Stored, v.Seen = safetext.Preview{Text: missing}, safetext.Preview{Text: missing}
	case r.State != feed.StateDecrypted && r.State != feed.StatePlain:
		v.Seen, v.Ciphertext = v.Stored, true
	}
	v.Long = !v.Ciphertext && utf8.RuneCountInString(v.Seen.Text) > maxLarge
	return v
}

// maxLarge is how many characters the large box shows in its largest font.
const maxLarge = 48

// columns are the columns of the list, in order.
func columns() []string {
	return []string{"state", "message", "sender", "encrypted_for", "key", "place", "time"}
}

// shortcuts are the keys that the page's script knows.
func shortcuts() []string { return []string{"/", "p", "j", "k", "Enter", "t", "z", "?", "Esc"} }

// MaxRows is how many rows a page shows, and one update has.
const MaxRows = 500

// exportHref returns the address of a file of the records in view.
func (v PageView) exportHref(format string) string {
	query := FilterQuery(v.Filter.Filter)
	query.Set("format", format)
	return "/api/export?" + query.Encode()
}

// ConnectionView says which way the viewer came, and how to check what the page cannot prove.
type ConnectionView struct {
	Way      string
	Unproven string // what the page cannot prove
	Command  string // that checks it from outside; empty if there is none
	Source   string // where to take the command's program and file from
}
