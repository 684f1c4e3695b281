package skrclient

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// DefaultHubTimeout is the time that one try at the data hub may take. Its own limit inside is 50 seconds.
const DefaultHubTimeout = time.Minute

// HubConfig says how to reach the data hub.
type HubConfig struct {
	// URL of the data hub, such as http://127.0.0.1:8006. Plain HTTP and loopback only: the answer is the key.
	URL string
	// Timeout of one try; 0 means DefaultHubTimeout.
	Timeout time.Duration
	// Transport replaces the client's own, which uses no proxy. Optional.
	Transport http.RoundTripper
}

// Hub asks the Confidential Data Hub of Confidential Containers, whose agent attests to the key broker service named
// in the pod's own measured settings. It is safe for concurrent use.
type Hub struct{ hub *local }

// NewHub checks the configuration; it does not connect.
func NewHub(cfg HubConfig) (*Hub, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultHubTimeout
	}
	hub, err := newLocal(cfg.URL, cfg.Timeout, CauseNoHub, cfg.Transport)
	if err != nil {
		return nil, fmt.Errorf("making data hub client: %w", err)
	}
	return &Hub{hub: hub}, nil
}

// Check wants the key name to be the path of a resource. The endpoints are not used.
func (h *Hub) Check(request Request) error { return CheckResource(request.KeyName) }

var resourcePath = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9_.-]{0,126}/){2}[A-Za-z0-9_][A-Za-z0-9_.-]{0,126}$`)

// CheckResource wants REPO/TYPE/TAG, as in the key broker's kbs:///REPO/TYPE/TAG. None of them begins with a dot or a
// hyphen, since they go into a URL as they are.
func CheckResource(name string) error {
	if !resourcePath.MatchString(name) {
		return errors.New("want REPO/TYPE/TAG, each 1 to 127 letters, digits, dots, hyphens and underscores")
	}
	return nil
}

// Release asks once for the resource, which holds the key as a JWK or as PEM (PKCS#8 or PKCS#1). Errors are as those of
// [Client.Release].
func (h *Hub) Release(ctx context.Context, request Request) (*rsa.PrivateKey, error) {
	if err := h.Check(request); err != nil {
		return nil, err
	}
	key, err := exchange(ctx, h.hub, call{method: http.MethodGet, path: "cdh/resource/" + request.KeyName}, parseResource)
	return key, named(err, request.KeyName)
}

// parseResource turns the data hub's answer into a key. Its texts tell little: what is denied, missing or out of reach
// behind it gives one and the same.
func parseResource(status int, body []byte) (*rsa.PrivateKey, *Error) {
	if status == http.StatusOK && len(body) <= maxAnswer {
		key, failure := parseKey(body)
		if failure != nil {
			failure.Status = status
		}
		return key, failure
	}
	failure := &Error{Step: StepSidecar, Kind: KindRefused, Status: status}
	says := func(words string) bool { return strings.Contains(strings.ToLower(string(body)), words) }
	switch {
	case status == http.StatusInternalServerError && says("ttrpc connect"):
		failure.Cause, failure.Kind = CauseHubStarts, KindUnreachable
	case status == http.StatusInternalServerError && says("ttrpc request error"):
		failure.Cause = CauseResource
	case status == http.StatusNotFound && says("not enabled"):
		failure.Cause = CauseHubFeature
	case status == http.StatusForbidden:
		failure.Cause = CauseHubCaller
	default:
		failure.Cause, failure.Kind = CauseNotHub, KindMalformed
	}
	return nil, failure
}
