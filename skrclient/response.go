package skrclient

import (
	"crypto/rsa"
	"encoding/json"
	"net/http"
)

// parseRelease reads the sidecar's response to /key/release. Its errors have no key name.
func parseRelease(status int, body []byte) (*rsa.PrivateKey, *Error) {
	if len(body) > maxResponse {
		return nil, &Error{Step: StepSidecar, Kind: KindMalformed, Cause: CauseAnswerTooLong, Status: status}
	}
	switch status {
	case http.StatusOK:
		return parseReleasedKey(body)
	case http.StatusBadRequest, http.StatusInternalServerError, http.StatusForbidden:
		return nil, parseRefusal(status, body)
	default:
		return nil, &Error{Step: StepSidecar, Kind: KindMalformed, Cause: CauseUnexpectedStatus, Status: status}
	}
}

// parseReleasedKey reads {"key":"<JSON string that holds a JWK>"}.
func parseReleasedKey(body []byte) (*rsa.PrivateKey, *Error) {
	var response struct {
		Key jsonText `json:"key"`
	}
	defer func() { clear(response.Key) }()
	if err := json.Unmarshal(body, &response); err != nil || response.Key == nil {
		return nil, &Error{Step: StepSidecar, Kind: KindMalformed, Cause: CauseBadAnswer, Status: http.StatusOK}
	}
	key, failure := parseJWK(response.Key)
	if failure != nil {
		failure.Status = http.StatusOK
	}
	return key, failure
}

// parseRefusal reads {"error":<any JSON>}. It finds known causes in the string of a 403 and then drops the string.
func parseRefusal(status int, body []byte) *Error {
	var response struct {
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(body, &response); err != nil || response.Error == nil {
		return &Error{Step: StepSidecar, Kind: KindMalformed, Cause: CauseBadAnswer, Status: status}
	}
	switch status {
	case http.StatusBadRequest:
		return &Error{Step: StepSidecar, Kind: KindRefused, Cause: CauseBadRequest, Status: status}
	case http.StatusInternalServerError:
		return &Error{Step: StepSidecar, Kind: KindRefused, Cause: CauseNotReady, Status: status}
	}
	var text string
	if err := json.Unmarshal(response.Error, &text); err != nil {
		text = "" // the object {} gives no reason, and is still a refusal
	}
	return classify(text)
}
