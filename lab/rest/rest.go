// Package rest holds the manners that the emulated services share: a body is
// read within a size and a time, and errors have Azure's shape.
package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// Limits of a request's body.
const (
	MaxBody  = 1 << 20
	BodyTime = 10 * time.Second
)

// Error is a refusal as the services write it: {"error":{"code","message"}}.
type Error struct {
	Status int
	Code   string
	// Inner is the code of the innererror, which says more; may be empty.
	Inner   string
	Message string
}

// Error says which status and why.
func (e *Error) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message) }

// Refuse makes an Error.
func Refuse(status int, code, message string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(message, args...)}
}

// Fail writes the refusal.
func (e *Error) Fail(w http.ResponseWriter) {
	inner := map[string]any{"code": e.Code, "message": e.Message}
	if e.Inner != "" {
		inner["innererror"] = map[string]string{"code": e.Inner}
	}
	Write(w, e.Status, map[string]any{"error": inner})
}

// Write answers with JSON.
func Write(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error":{"code":"InternalError","message":"the answer cannot be written"}}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(text) //nolint:errcheck // the client may be gone, and then there is no one to tell
}

// Read decodes the body, which must be one JSON document, into a value.
func Read(w http.ResponseWriter, r *http.Request, timeout time.Duration, into any) *Error {
	// A recorder in a test has no deadline to set, and no slow sender either.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(timeout)) //nolint:errcheck // see above
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return Refuse(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The body is longer than %d bytes.", MaxBody)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Refuse(http.StatusRequestTimeout, "RequestTimeout", "The body did not arrive within %s.", timeout)
	case err != nil:
		return Refuse(http.StatusBadRequest, "BadRequest", "The body cannot be read.")
	}
	if json.Unmarshal(body, into) != nil {
		return Refuse(http.StatusBadRequest, "BadParameter", "The body is not the one JSON document that is expected here.")
	}
	return nil
}
