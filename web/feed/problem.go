package feed

// Problem is something wrong with a record, which a viewer should see at once. A record can have several.
type Problem string

// The problems.
const (
	ProblemAltered   Problem = "altered"   // it is not what was sealed, or its structure is broken
	ProblemUntrusted Problem = "untrusted" // signed, but not by a trusted sender
	ProblemUnsigned  Problem = "unsigned"  // decrypted, but anyone with the public key could have written it
	ProblemRejected  Problem = "rejected"
	ProblemPlain     Problem = "plain"    // not encrypted
	ProblemUnopened  Problem = "unopened" // it may be altered, for another key, or too large: nobody can tell
	ProblemRepeat    Problem = "repeat"
	ProblemGap       Problem = "gap"
	ProblemLate      Problem = "late"
	ProblemStale     Problem = "stale"
	ProblemMoved     Problem = "moved"
	ProblemUnbound   Problem = "unbound"
	ProblemReaders   Problem = "readers" // others can read it
)

// problemCount is the number of problems.
const problemCount = 13

// Problems returns all problems, the gravest first.
func Problems() []Problem {
	all := problems()
	return all[:]
}

// problems is Problems without an allocation.
func problems() [problemCount]Problem {
	return [problemCount]Problem{
		ProblemAltered, ProblemUntrusted, ProblemRejected, ProblemPlain, ProblemMoved, ProblemStale, ProblemRepeat, ProblemGap, ProblemLate,
		ProblemReaders, ProblemUnbound, ProblemUnsigned, ProblemUnopened,
	}
}

// Has reports whether the record has a problem.
func (r *Record) Has(p Problem) bool {
	rsa := r.Format == "rsa" // its ciphertext does not tell an altered record from one for another key
	switch p {
	case ProblemAltered:
		return r.State == StateUndecryptable && !rsa || r.State == StateMalformed || r.State == StateDamaged
	case ProblemUnopened:
		return r.State == StateUndecryptable && rsa || r.State == StateOversized
	case ProblemRejected:
		return r.State == StateRejected
	case ProblemPlain:
		return r.State == StatePlain
	default:
		return r.State == StateDecrypted && r.flagged(p)
	}
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
