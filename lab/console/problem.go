package console

import (
	"errors"
	"strconv"
)

// CommandError is a reason for which a command is not carried out, with a code that the console has words for in each language.
type CommandError struct {
	Code        string
	Err         error // in English, for the terminal
	Used, Limit int   // bytes, of ProblemTooLong
}

func (e CommandError) Error() string { return e.Err.Error() }

// Unwrap returns the error without its code.
func (e CommandError) Unwrap() error { return e.Err }

// The codes of problems.
const (
	ProblemBusy     = "busy"     // an attack, or another change, runs
	ProblemNoKey    = "no_key"   // the confidential pod has none, so nothing can be said of an attack
	ProblemTooLong  = "too_long" // for one record
	ProblemReader   = "reader"   // an attack has given the producer another key, for shorter messages
	ProblemEmpty    = "empty"    // there is nothing to send
	ProblemLines    = "lines"    // more than one
	ProblemReplaced = "replaced" // the producer was, at that moment
)

// problem returns an error in words, and their language. One without a code is in English.
func (l localizer) problem(err error) (text, lang string) {
	var e CommandError
	if errors.As(err, &e) {
		if text := l.T("problem."+e.Code, "used", strconv.Itoa(e.Used), "n", strconv.Itoa(e.Limit)); text != "" {
			return text, l.Lang
		}
	}
	return err.Error(), "en"
}
