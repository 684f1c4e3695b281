package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"kafka-e2ee/settings"
)

// maxBody bounds what fetch prints of a body.
const maxBody = 4 << 20

// errCutOff says that a URL answered, and that its body could not be read to the end.
var errCutOff = errors.New("reading the body")

// fetch prints the status that a URL answers with in a line, and then the body. It follows no redirect and uses no proxy.
func fetch(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 1 {
		return settings.Invalid(fmt.Errorf("got %d arguments after \"fetch\", want a URL (hint: pod -h)", len(args)))
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, args[0], http.NoBody) //nolint:gosec // whoever may run a command in this container chooses
	if err != nil {
		return settings.Invalid(fmt.Errorf("parsing the URL: %w", err))
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return fmt.Errorf("fetching: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read from
	if _, err := fmt.Fprintln(out, resp.StatusCode); err != nil {
		return err
	}
	n, err := io.Copy(out, io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return fmt.Errorf("%w: %w", errCutOff, err)
	}
	if n > maxBody {
		return fmt.Errorf("%w: got more than the limit of %d bytes", errCutOff, maxBody)
	}
	return nil
}
