package skrclient

import (
	"crypto/rsa"
	"encoding/json"
	"net/http"
)

// parseAnswer turns the sidecar's answer to /key/release into a key, or into an Error without a key name.
func parseAnswer(status int, body []byte) (*rsa.PrivateKey, *Error) {
	if len(body) > maxAnswer {
		return nil, &Error{Step: StepSidecar, Kind: KindMalformed, Cause: CauseTooLong, Status: status}
	}
	switch status {
	case http.StatusOK:
		return parseRelease(body)
	case http.StatusBadRequest:
		return nil, &Error{Step: StepSidecar, Kind: KindRefused, Cause: CauseRequest, Status: status}
	case http.StatusInternalServerError:
		return nil, &Error{Step: StepSidecar, Kind: KindRefused, Cause: CauseNotReady, Status: status}
	case http.StatusForbidden:
		return nil, parseRefusal(body)
	default:
		return nil, &Error{Step: StepSidecar, Kind: KindMalformed, Cause: CauseForeign, Status: status}
	}
}

// parseRelease reads {"key":"<JSON string that holds a JWK>"}.
func parseRelease(body []byte) (*rsa.PrivateKey, *Error) {
	var answer struct {
		Key jsonText `json:"key"`
	}
	defer func() { clear(answer.Key) }()
	if err := json.Unmarshal(body, &answer); err != nil || answer.Key == nil {
		return nil, &Error{Step: StepSidecar, Kind: KindMalformed, Cause: CauseAnswer, Status: http.StatusOK}
	}
	key, failure := parseJWK(answer.Key)
	if failure != nil {
		failure.Status = http.StatusOK
	}
	return key, failure
}

// parseRefusal reads {"error":<any JSON>}; a string is looked at for known causes and then dropped.
func parseRefusal(body []byte) *Error {
	var answer struct {
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Error == nil {
		return &Error{Step: StepSidecar, Kind: KindMalformed, Cause: CauseAnswer, Status: http.StatusForbidden}
	}
	var text string
	if err := json.Unmarshal(answer.Error, &text); err != nil {
		text = "" // the object {} says nothing, and is still a refusal
	}
	return classify(text)
}
