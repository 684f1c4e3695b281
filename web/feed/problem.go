package feed

// Problem is something wrong with a record, which a viewer should see at once. A record can have several.
type Problem string

// The problems.
const (
	ProblemAltered   Problem = "altered"   // it is not what was sealed, or its structure is broken
	ProblemUntrusted Problem = "untrusted" // signed, but not by a trusted sender
	ProblemUnsigned  Problem = "unsigned"  // decrypted, but anyone with the public key could have written it
	ProblemPlain     Problem = "plain"     // not encrypted
	ProblemUnopened  Problem = "unopened"  // it may be altered, for another key, or too large: nobody can tell
	ProblemRepeat    Problem = "repeat"
	ProblemGap       Problem = "gap"
	ProblemLate      Problem = "late"
	ProblemStale     Problem = "stale"
	ProblemMoved     Problem = "moved"
	ProblemUnbound   Problem = "unbound"
	ProblemReaders   Problem = "readers" // others can read it

	// Of rejected records, by the reason.
	ProblemRejectedSender Problem = rejected + Problem(RejectSender)
	ProblemRejectedPlain  Problem = rejected + Problem(RejectPlain)
	ProblemRejectedReader Problem = rejected + Problem(RejectReader)
	ProblemRejectedStale  Problem = rejected + Problem(RejectStale)
	// ProblemRejectedFormat is that of records from before a format was required, but whoever may write can add more of
	// them: nobody can tell which they are.
	ProblemRejectedFormat Problem = rejected + Problem(RejectFormat)
	// ProblemRejectedUnsigned is that of unsigned records that were in the topic before this pod began to read there. They
	// may be from before a sender was required. Those that came later have ProblemRejectedSender.
	ProblemRejectedUnsigned Problem = rejected + Problem(SenderUnsigned)
)

// rejected begins the names of the problems of rejected records.
const rejected = "rejected_"

// problemCount is the number of problems.
const problemCount = 18

// Problems returns all problems, the gravest first.
func Problems() []Problem {
	all := problems()
	return all[:]
}

// problems is Problems without an allocation.
func problems() [problemCount]Problem {
	return [problemCount]Problem{
		ProblemAltered, ProblemUntrusted, ProblemRejectedSender, ProblemPlain, ProblemRejectedPlain, ProblemRejectedReader, ProblemMoved,
		ProblemStale, ProblemRejectedStale, ProblemRepeat, ProblemGap, ProblemLate, ProblemReaders, ProblemUnbound, ProblemUnsigned, ProblemUnopened,
		ProblemRejectedUnsigned, ProblemRejectedFormat,
	}
}

// Has reports whether the record has a problem.
func (r *Record) Has(p Problem) bool {
	if r.State == StateRejected {
		return p == r.rejectedFor()
	}
	rsa := r.Format == "rsa" // its ciphertext does not tell an altered record from one for another key
	switch p {
	case ProblemAltered:
		return r.State == StateUndecryptable && !rsa || r.State == StateMalformed || r.State == StateDamaged
	case ProblemUnopened:
		return r.State == StateUndecryptable && rsa || r.State == StateOversized
	case ProblemPlain:
		return r.State == StatePlain
	default:
		return r.State == StateDecrypted && r.flagged(p)
	}
}

// rejectedFor returns the problem of a rejected record.
func (r *Record) rejectedFor() Problem {
	if r.Rejection.Reason == RejectSender && r.Rejection.Sender == SenderUnsigned && r.AppendedAfter.IsZero() {
		return ProblemRejectedUnsigned
	}
	return rejected + Problem(r.Rejection.Reason)
}

// isFaultless reports, for the usual record, that it has no problem, without a look at each.
func (r *Record) isFaultless() bool {
	return r.State == StateDecrypted && r.Sender.State == SenderVerified && r.Flags == (Flags{}) && len(r.OtherReaders) == 0 || r.State == StateNoKey
}

// flagged is Has for what only a decrypted record can have.
func (r *Record) flagged(p Problem) bool {
	switch p {
	case ProblemUntrusted:
		return r.Sender.State == SenderUntrusted
	case ProblemUnsigned:
		return r.Sender.Reason == SenderUnsigned
	case ProblemRepeat:
		return r.Flags.Repeat
	case ProblemGap:
		return r.Flags.Missing > 0
	case ProblemLate:
		return r.Flags.Late
	case ProblemStale:
		return r.Flags.Stale
	case ProblemMoved:
		return r.Flags.Moved
	case ProblemUnbound:
		return r.Flags.Unbound
	case ProblemReaders:
		return len(r.OtherReaders) > 0
	default:
		return false
	}
}
