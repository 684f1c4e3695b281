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

// DefaultHubTimeout limits one attempt at the data hub, whose own limit is 50 seconds.
const DefaultHubTimeout = time.Minute

// HubConfig configures a [Hub].
type HubConfig struct {
	// URL of the data hub, such as http://127.0.0.1:8006. Plain HTTP and loopback only: the response is the key.
	URL string
	// Timeout of one attempt; 0 means DefaultHubTimeout.
	Timeout time.Duration
}

// Hub asks the Confidential Data Hub of Confidential Containers, whose agent attests to the key broker service
// that the pod's measured settings name. It is safe for concurrent use.
type Hub struct{ hub *loopbackClient }

// NewHub checks the configuration. It does not connect.
func NewHub(cfg HubConfig) (*Hub, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultHubTimeout
	}
	hub, err := newLoopbackClient(cfg.URL, cfg.Timeout, connectionCauses{refused: CauseNoHub, timeout: CauseHubTimeout, incomplete: CauseNotHub}, nil)
	if err != nil {
		return nil, fmt.Errorf("making data hub client: %w", err)
	}
	return &Hub{hub: hub}, nil
}

// Check requires the key name to be the path of a resource. It ignores the endpoints.
func (h *Hub) Check(request Request) error { return CheckResource(request.KeyName) }

var resourcePath = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9_.-]{0,126}/){2}[A-Za-z0-9_][A-Za-z0-9_.-]{0,126}$`)

// CheckResource accepts REPO/TYPE/TAG, as in the key broker's kbs:///REPO/TYPE/TAG. No part may begin with a dot or a
// hyphen, because they go into a URL unescaped.
func CheckResource(name string) error {
	if !resourcePath.MatchString(name) {
		return errors.New("want REPO/TYPE/TAG, each 1 to 127 letters, digits, dots, hyphens and underscores")
	}
	return nil
}

// Release asks once for the resource, which holds the key as a JWK or as PEM (PKCS#8 or PKCS#1). Its errors are
// those of [Client.Release].
func (h *Hub) Release(ctx context.Context, request Request) (*rsa.PrivateKey, error) {
	if err := h.Check(request); err != nil {
		return nil, err
	}
	key, err := send(ctx, h.hub, call{method: http.MethodGet, path: "cdh/resource/" + request.KeyName}, parseResource)
	return key, withKeyName(err, request.KeyName)
}

// parseResource reads the data hub's response. The hub gives the same text for a resource that is denied, missing or out
// of reach.
func parseResource(status int, body []byte) (*rsa.PrivateKey, *Error) {
	if status == http.StatusOK {
		key, failure := parseKey(body)
		if failure != nil {
			failure.Status = status
		}
		return key, failure
	}
	failure := &Error{Step: StepSidecar, Kind: KindRefused, Status: status}
	contains := func(words string) bool { return strings.Contains(strings.ToLower(string(body)), words) }
	switch {
	case status == http.StatusInternalServerError && contains("ttrpc connect"):
		failure.Cause, failure.Kind = CauseHubStarting, KindUnreachable
	case status == http.StatusInternalServerError && contains("ttrpc request error"):
		failure.Cause = CauseResource
	case status == http.StatusNotFound && contains("not enabled"):
		failure.Cause = CauseHubNoResources
	case status == http.StatusForbidden && len(body) == 0: // a proxy would give a reason
		failure.Cause = CauseHubCaller
	default:
		failure.Cause, failure.Kind = CauseNotHub, KindMalformed
	}
	return nil, failure
}
