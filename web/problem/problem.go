// Package problem answers requests of programs that fail, as RFC 9457 describes it.
//
//	problem.Write(w, http.StatusNotFound, "not_held", "this record is not held here")
package problem

import (
	"encoding/json"
	"net/http"
)

// ContentType is the media type of a problem (RFC 9457, section 3).
const ContentType = "application/problem+json"

// TypePrefix starts the type of each problem. The code of the problem follows. The type is a name: nothing is served
// there.
const TypePrefix = "urn:kafka-e2ee:problem:"

// details are the members of a problem.
type details struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// Write answers with a problem. The code, which programs compare, says what is wrong; the detail says it to a person. It
// must hold nothing of the request.
func Write(w http.ResponseWriter, status int, code, detail string) {
	w.Header().Set("Content-Type", ContentType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(details{TypePrefix + code, http.StatusText(status), status, detail}) //nolint:errcheck // the caller has gone
}
