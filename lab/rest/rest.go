// Package rest reads the requests of the emulated services, within limits of size
// and time, and writes their answers and errors in Azure's format.
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

// Error is a refusal in the services' format: {"error":{"code","message"}}.
type Error struct {
	Status int
	Code   string
	// Inner is the code of the innererror, which is more specific. It may be empty.
	Inner   string
	Message string
}

// Error returns the status, the code and the message.
func (e *Error) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message) }

// Refuse returns an Error with a formatted message.
func Refuse(status int, code, message string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(message, args...)}
}

// Fail answers with the error.
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
	_, _ = w.Write(text) //nolint:errcheck // the client may have gone
}

// Read decodes the body, which must be one JSON document.
func Read(w http.ResponseWriter, r *http.Request, timeout time.Duration, into any) *Error {
	// The recorder of a test supports no deadline, and needs none.
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
		return Refuse(http.StatusBadRequest, "BadParameter", "The body is not one JSON document of the expected shape.")
	}
	return nil
}
