package envelope

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Requirements are what a record must satisfy to be opened; SPEC.md, section 8.6. The
// zero value requires nothing. A record that does not satisfy them gives a
// [*RejectedError].
//
// [OpenerConfig.Validate] rejects requirements that no record could satisfy.
type Requirements struct {
	// Formats are the formats that are accepted; if empty, all are, and values that
	// are not encrypted give [ErrNotEncrypted]. Otherwise such values are rejected,
	// but a null value never is: it has no content.
	Formats []Format

	// VerifiedSender requires that the sender is verified; see [SenderVerified].
	VerifiedSender bool
	// SenderIDs, if not empty, requires that the sender is verified by one of these
	// signing keys; see [SigningKeyID]. They must be keys of trusted senders.
	SenderIDs []string

	// HeldReaders requires that nobody but this opener and ReaderIDs can read the
	// record: its other recipients are keys that the opener holds, or held before (of
	// these, the last 1024).
	// It is judged again when the keys change.
	HeldReaders bool
	// ReaderIDs are further keys that may read the record; see [KeyID]. If not empty,
	// HeldReaders holds as well.
	ReaderIDs []string

	// Fresh requires that the record was not held back, and not written again after
	// its data key expired. It needs a required sender. The package replay judges it,
	// because it takes more than one record to tell.
	Fresh bool
}

func (r *Requirements) requiresSender() bool  { return r.VerifiedSender || len(r.SenderIDs) > 0 }
func (r *Requirements) requiresReaders() bool { return r.HeldReaders || len(r.ReaderIDs) > 0 }

func (r *Requirements) validate(trusted map[[idSize]byte]TrustedSender) error {
	for _, format := range r.Formats {
		if err := checkFormat(format); err != nil {
			return err
		}
	}
	for _, id := range slices.Concat(r.SenderIDs, r.ReaderIDs) {
		if err := checkID(id); err != nil {
			return err
		}
	}
	for _, id := range r.SenderIDs {
		var raw [idSize]byte
		decode(raw[:], []byte(id))
		if _, known := trusted[raw]; !known {
			return fmt.Errorf("no trusted sender has the required signing key %s", id)
		}
	}
	switch {
	case r.Fresh && !r.requiresSender():
		return errors.New("fresh records are required, but no sender (hint: anyone can date a record that is not signed)")
	case r.requiresSender() && len(trusted) == 0:
		return errors.New("a sender is required, but nobody is trusted")
	case r.requiresSender() && len(r.Formats) > 0 && !slices.ContainsFunc(r.Formats, func(f Format) bool { return f != FormatRSA }):
		return fmt.Errorf("a sender is required, but the only format is %s, which proves none", FormatRSA)
	}
	return nil
}

func checkFormat(format Format) error {
	switch format {
	case FormatRSA, FormatEnvelope, FormatJWE:
		return nil
	}
	return fmt.Errorf("got format %q, want %q, %q or %q", format, FormatRSA, FormatEnvelope, FormatJWE)
}

func checkID(id string) error {
	var raw [idSize]byte
	if !decode(raw[:], []byte(id)) {
		return fmt.Errorf("got the key id %q, want 43 characters of base64url (hint: envelope thumbprint FILE prints it)", id)
	}
	return nil
}

// ParseFormats sets Formats from names separated by commas, as settings and options
// contain them.
func (r *Requirements) ParseFormats(list string) error {
	for name := range splitList(list) {
		if err := checkFormat(Format(name)); err != nil {
			return err
		}
		r.Formats = append(r.Formats, Format(name))
	}
	return nil
}

// ParseSenders sets VerifiedSender from "verified", or SenderIDs from ids separated by
// commas.
func (r *Requirements) ParseSenders(list string) error {
	if strings.TrimSpace(list) == "verified" {
		r.VerifiedSender = true
		return nil
	}
	for id := range splitList(list) {
		if err := checkID(id); err != nil {
			return fmt.Errorf("%w, or only \"verified\"", err)
		}
		r.SenderIDs = append(r.SenderIDs, id)
	}
	return nil
}

// ParseReaders sets HeldReaders from "held", and ReaderIDs from ids that follow it,
// separated by commas.
func (r *Requirements) ParseReaders(list string) error {
	held := false
	for id := range splitList(list) {
		if id == "held" {
			held = true
			continue
		}
		if err := checkID(id); err != nil {
			return err
		}
		r.ReaderIDs = append(r.ReaderIDs, id)
	}
	if !held {
		return errors.New(`"held" is missing (hint: held,ID,… allows the keys held, which can always read, and these)`)
	}
	r.HeldReaders = true
	return nil
}

// ParseKeyIDs returns the ids of keys in a list separated by commas; see [KeyID]. A list
// without an id is an error.
func ParseKeyIDs(list string) (ids []string, err error) {
	for id := range splitList(list) {
		if err := checkID(id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func splitList(list string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for part := range strings.SplitSeq(list, ",") {
			if !yield(strings.TrimSpace(part)) {
				return
			}
		}
	}
}

// ErrRejected means that the record does not satisfy the [Requirements]. Every such
// error is a [*RejectedError].
var ErrRejected = errors.New("rejected record")

// RejectReason tells which requirement a record does not satisfy.
type RejectReason string

// The reasons of SPEC.md, section 8.6, in the order in which they are decided.
const (
	// RejectFormat: it is not encrypted, or its format is not accepted.
	RejectFormat RejectReason = "format"
	// RejectSender: it is not from a required sender.
	RejectSender RejectReason = "sender"
	// RejectReader: others than the allowed readers can read it.
	RejectReader RejectReason = "reader"
	// RejectStale: it was held back, or written again after its data key expired.
	RejectStale RejectReason = "stale"
)

// RejectedError tells why a record was rejected. What it says of the record is what the
// record claims, and proves nothing.
type RejectedError struct {
	Reason RejectReason
	// Sender tells why the sender is not verified, if Reason is RejectSender; empty if
	// the signature of the data key verifies, but another signing key is required.
	Sender SenderReason
	// KeyIDs are the readers who are not allowed, or the signing key that is not
	// accepted, if the record names one; shared, read-only.
	KeyIDs []string
}

func (e *RejectedError) Error() string {
	switch e.Reason {
	case RejectFormat:
		return ErrRejected.Error() + ": its format is not accepted here"
	case RejectSender:
		return ErrRejected.Error() + ": it is not from a required sender"
	case RejectReader:
		return ErrRejected.Error() + ": others can read it, too"
	case RejectStale:
		return ErrRejected.Error() + ": its data key had expired when it arrived"
	}
	return ErrRejected.Error()
}

// Is makes the error match ErrRejected.
func (*RejectedError) Is(target error) bool { return target == ErrRejected }

// These errors are variables, so that a flood of rejected records costs no memory.
var (
	errRejectedFormat   = &RejectedError{Reason: RejectFormat}
	errRejectedUnsigned = &RejectedError{Reason: RejectSender, Sender: ReasonUnsigned}
)

// checkFormat returns an error if the format of a record is not accepted. Nothing but
// its kind is known yet.
func (r *Requirements) checkFormat(k kind) error {
	if len(r.Formats) == 0 || slices.Contains(r.Formats, k.format()) {
		return nil
	}
	return errRejectedFormat
}

// checkSender returns an error if the sender whose signature was checked is not a
// required one.
func (r *Requirements) checkSender(sender Sender) error {
	if sender.State == SenderVerified && (len(r.SenderIDs) == 0 || slices.Contains(r.SenderIDs, sender.KeyID)) {
		return nil
	}
	if sender.Reason == ReasonUnsigned {
		return errRejectedUnsigned
	}
	return &RejectedError{Reason: RejectSender, Sender: sender.Reason, KeyIDs: []string{sender.KeyID}}
}

// checkReaders returns an error if a reader without a key that this opener knows is not
// allowed.
func (r *Requirements) checkReaders(others []string) error {
	if !r.requiresReaders() {
		return nil
	}
	denied := slices.DeleteFunc(slices.Clone(others), func(id string) bool { return slices.Contains(r.ReaderIDs, id) })
	if len(denied) == 0 {
		return nil
	}
	return &RejectedError{Reason: RejectReader, KeyIDs: denied}
}
