package pages

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/safetext"
	"kafka-e2ee/web/severity"
)

// RowView is a record in the list, for [Rows]. The page loads the rest of it when a viewer opens it.
type RowView struct {
	ID, Seq, Href              string
	State, Icon, Label, Why    string
	Value                      safetext.Preview
	Long                       bool // Value is a message that needs a smaller font to be seen whole
	Sender, Short              string
	SenderSeverity, SenderIcon string
	NamesSender                bool // see namesSender
	Flags                      []FlagView
	Chip                       chip   // of the key that it is encrypted for
	OpenedWith                 string // the key's id; empty if the record was not decrypted
	NewKey                     string // says that the rows below were decrypted with other keys; empty if they were not
	Key, Place, Time, Datetime string
}

// Flagged reports whether the row has a flag that is a warning.
func (v RowView) Flagged() bool {
	return slices.ContainsFunc(v.Flags, func(f FlagView) bool { return f.Severity == severity.Bad })
}

// formatRSA is the only format that names neither key nor sender.
const formatRSA = "rsa"

// namesSender reports whether a record is in a format that can name its sender.
func namesSender(r *feed.Record) bool { return r.Format != "" && r.Format != formatRSA }

// encryptedFor returns the id of the key that opened a record, else of the first one that it names.
func encryptedFor(r *feed.Record) string {
	if r.KeyID == "" && len(r.NeededKeys) > 0 {
		return r.NeededKeys[0]
	}
	return r.KeyID
}

// MarkNewKeys marks the rows that were decrypted with a key for the first time, after others. What a record says of its key
// does not count until it is decrypted: anyone can write that. The script does the same for later rows.
func MarkNewKeys(rows []RowView, text string) {
	seen := make(map[string]bool)
	for i := range slices.Backward(rows) { // the newest row is the first
		if id := rows[i].OpenedWith; id != "" && !seen[id] {
			if len(seen) > 0 {
				rows[i].NewKey = text
			}
			seen[id] = true
		}
	}
}

// anySender reports whether the list needs the senders' column. The script adds it for later rows.
func anySender(rows []RowView) bool {
	return slices.ContainsFunc(rows, func(r RowView) bool { return r.NamesSender })
}

// label returns a record's state in a few words.
func (l Localizer) label(r *feed.Record) string {
	switch {
	case r.Unsupported.Reason != "":
		return l.T("record.state.unsupported")
	case r.State == feed.StateRejected:
		return cmp.Or(l.T("record.rejected."+string(r.Rejection.Reason)), l.T("record.state.rejected"))
	default:
		return l.T("record.state." + string(r.State))
	}
}

func (l Localizer) row(r feed.Entry) RowView {
	v := RowView{
		ID: RowID(r.Record), Seq: strconv.FormatUint(r.Seq, 10), Href: Href(r.Record),
		Label: l.label(r.Record), Why: l.Why(r.Record),
		NamesSender: namesSender(r.Record), Sender: l.Sender(r.Sender), Short: l.shortSender(r.Sender),
		Flags: l.Flags(r.Record), Key: safetext.PreviewKey(r.Key),
		Place: fmt.Sprintf("%d / %d", r.Partition, r.Offset), Chip: newChip(encryptedFor(r.Record)),
	}
	if r.State == feed.StateDecrypted && r.KeyID != "" {
		v.OpenedWith = v.Chip.Full
	}
	v.Time, v.Datetime = l.time(r.Record)
	v.State, v.Icon = recordSeverity(r.Record)
	v.SenderSeverity, v.SenderIcon = severity.OfSender(r.Sender.Status())
	switch missing := l.missing(r.Record); {
	case missing != "":
		v.Value.Text = missing
	case len(r.Shown()) == 0:
		v.Value.Text = l.T("record.missing.empty")
	case r.State != feed.StateDecrypted && namesSender(r.Record):
		v.Value = safetext.PreviewEnd(r.Stored)
	default:
		v.Value = safetext.NewPreview(r.Shown())
		v.Long = !v.Value.Bytes && (r.State == feed.StateDecrypted || r.State == feed.StatePlain) && utf8.RuneCountInString(v.Value.Text) > maxRowLarge
	}
	return v
}

// maxRowLarge is how many characters a row shows in its usual font, beside a sender.
const maxRowLarge = 40

// missing returns the text for a record without a value, empty if it has one.
func (l Localizer) missing(r *feed.Record) string {
	switch {
	case r.State.IsBatch():
		return l.T("record.missing.not_unpacked")
	case r.State == feed.StateTombstone:
		return l.T("record.missing.null")
	case r.State == feed.StateRejected:
		return l.T("record.missing.rejected")
	default:
		return ""
	}
}

// RowBytes is an upper bound of a row's Size, in bytes.
const RowBytes = 24 << 10

// Size estimates the memory that a row takes, in bytes.
func (v RowView) Size() int {
	size := 512 + len(v.ID) + len(v.Href) + len(v.Why) + len(v.Value.Text) + len(v.Sender) + len(v.Short) + len(v.Key) + len(v.Place) + len(v.Chip.Full) + len(v.OpenedWith)
	for _, flag := range v.Flags {
		size += len(flag.Why)
	}
	return size
}

// RowID returns the HTML id of a record's row, by which the script replaces it.
func RowID(r *feed.Record) string {
	return fmt.Sprintf("r-%s-%d-%d", r.Topic, r.Partition, r.Offset)
}

// Href returns the address of a record's own page.
func Href(r *feed.Record) string {
	return fmt.Sprintf("/records/%s/%d/%d", url.PathEscape(r.Topic), r.Partition, r.Offset)
}

// Why explains a record's state.
func (l Localizer) Why(r *feed.Record) string {
	return l.T("record.why."+whyID(r), "alg", r.Unsupported.Alg, "enc", r.Unsupported.Enc, "id", safetext.Visible(r.KeyID), "needs", needs(r), "ids", strings.Join(r.HeldKeys, ", "),
		"format", safetext.Visible(r.Format), "others", safetext.Visible(strings.Join(r.Rejection.KeyIDs, ", ")),
		"expires", seconds(r.DataKey.Expires), "offset", strconv.FormatInt(r.Offset, 10), "from", strconv.FormatInt(r.First, 10))
}

// whyID is a record's state, or what is known beyond it.
func whyID(r *feed.Record) string {
	switch reason := r.Unsupported.Reason; {
	case reason == feed.UnsupportedAlgorithm && (r.Unsupported.Alg == "" || r.Unsupported.Enc == ""):
		return "algorithm_unnamed"
	case reason != "":
		return string(reason)
	case r.State == feed.StateUndecryptable && r.Format == formatRSA:
		return "undecryptable_rsa"
	case r.State == feed.StateTombstone && r.Key == nil:
		return "tombstone_no_key"
	case r.State == feed.StateRejected:
		return rejectedID(r)
	case r.HeaderMissing:
		return "needs_header_missing"
	default:
		return string(r.State)
	}
}

// rejectedID is why a record was rejected.
func rejectedID(r *feed.Record) string {
	switch reason := r.Rejection.Reason; {
	case reason == "":
		return string(feed.StateRejected)
	case reason == feed.RejectSender && (r.Rejection.Sender == feed.SenderUnsigned || r.Rejection.Sender == feed.SenderBadSignature):
		return "rejected_" + string(r.Rejection.Sender)
	default:
		return "rejected_" + string(reason)
	}
}

// needs returns the ids of the keys that a record names.
func needs(r *feed.Record) string { return safetext.Visible(strings.Join(r.NeededKeys, ", ")) }

// Rows returns the rows of records, in the same order.
func (l Localizer) Rows(records []feed.Entry) []RowView {
	rows := make([]RowView, len(records))
	for i, r := range records {
		rows[i] = l.row(r)
	}
	return rows
}

// Sender says who wrote a record. A verified name comes from this pod's settings, never from the record.
func (l Localizer) Sender(who feed.Sender) string {
	return l.T("sender.why."+senderID(who), "name", safetext.Visible(who.Name), "id", safetext.Visible(who.KeyID))
}

// shortSender is like sender, for the list.
func (l Localizer) shortSender(who feed.Sender) string {
	return l.T("sender.short."+senderID(who), "name", safetext.Visible(who.Name))
}

// senderID is the reason if there is one, else the state.
func senderID(who feed.Sender) string {
	if who.Reason != "" {
		return string(who.Reason)
	}
	return string(who.Status())
}

// otherReaders returns the ids of the keys of others who can read a record.
func otherReaders(r *feed.Record) string { return safetext.Visible(strings.Join(r.OtherReaders, ", ")) }

// FlagView is a flag: its name in the API, in a word and in a sentence.
type FlagView struct{ Name, Short, Why, Severity string }

// Flags returns a record's flags, in an order that is always the same.
func (l Localizer) Flags(r *feed.Record) []FlagView {
	var list []FlagView
	add := func(name, why string) {
		list = append(list, FlagView{name, l.T("flag.short." + name), why, severity.OfFlag(name)})
	}
	f := r.Flags
	if f.Stale {
		add("stale", l.T("flag.why.stale", "expires", seconds(r.DataKey.Expires)))
	}
	if f.Repeat && f.First >= 0 {
		add("repeat", l.T("flag.why.repeat", "offset", strconv.FormatInt(f.First, 10)))
	} else if f.Repeat {
		add("repeat", l.T("flag.why.repeat_forgotten"))
	}
	if f.Missing > 0 {
		add("gap", l.T("flag.why.gap", "n", strconv.FormatUint(f.Missing, 10)))
	}
	if f.Late {
		add("late", l.T("flag.why.late"))
	}
	if f.Unfollowed {
		add("unfollowed", l.T("flag.why.unfollowed"))
	}
	if f.Moved {
		add("moved", l.T("flag.why.moved", "sealed_for", strconv.Itoa(int(r.DataKey.SealedFor)), "partition", strconv.Itoa(int(r.Partition))))
	}
	if f.Unbound {
		add("unbound", l.T("flag.why.unbound"))
	}
	if len(r.OtherReaders) > 0 {
		add("readers", l.T("flag.why.readers", "ids", otherReaders(r)))
	}
	return list
}

// Day is the date in the row's time.
func (v RowView) Day() string { day, _, _ := strings.Cut(v.Time, " "); return day }

// Clock is the rest of the row's time.
func (v RowView) Clock() string { _, clock, _ := strings.Cut(v.Time, " "); return clock }
