package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// otherName is a name that the console never answers to, whatever port it is published at.
const otherName = "check.invalid"

// check asks the console at an address in the pod, HOST:PORT: it is the last part to start, and answers in any scenario.
// The question is of another name, so the refusal is the answer, and no page is made for it.
func check(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", http.NoBody)
	if err != nil {
		return fmt.Errorf("asking the console: %w", err)
	}
	req.Host = otherName
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req) // no redirect, no proxy
	if err != nil {
		return fmt.Errorf("asking the console: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // the body is not read
	if resp.StatusCode != http.StatusForbidden {
		return fmt.Errorf("asking the console: got status %d, want %d: something else answers", resp.StatusCode, http.StatusForbidden)
	}
	return nil
}
