package settings

import (
	"errors"
	"fmt"
)

// Error is a setting that cannot be used. It does not hold the setting's value.
type Error struct {
	Variable string
	Err      error
}

// Error returns "VARIABLE: problem".
func (e *Error) Error() string { return e.Variable + ": " + e.Err.Error() }

// Unwrap returns the problem without the variable's name.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an [Error] about a variable.
func Errorf(variable, format string, args ...any) error {
	return &Error{Variable: variable, Err: fmt.Errorf(format, args...)}
}

// ErrInvalid marks an error that only other settings or flags can solve.
var ErrInvalid = errors.New("wrong settings")

// Invalid marks err with [ErrInvalid], unless it is nil or marked already.
func Invalid(err error) error {
	if err == nil || errors.Is(err, ErrInvalid) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrInvalid, err)
}

// ExitStatus returns the exit status of a program that err stopped: 2 for wrong settings, 1 for anything else.
func ExitStatus(err error) int {
	if errors.Is(err, ErrInvalid) {
		return 2
	}
	return 1
}
