// Package podapi asks a pod's page for what a viewer could see: the API of docs/api.md, and no more of it than the lab needs.
//
//	pod := podapi.New("localhost:3333", "localhost:3333")
//	answer, err := pod.Newest(ctx, 20, "decrypted")
//	answer, err = pod.Since(ctx, answer.Next)
//
// What a pod answers is not trusted: others have written the records. An answer is read record by record, up to a limit.
package podapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// MaxRecords is how many records an answer holds at most.
	MaxRecords = 1000

	answerBytes = 64 << 20         // of one answer: a pod's history with its ciphertext, in base64
	headerTime  = 10 * time.Second // until an answer begins
	answerTime  = 30 * time.Second // until it ends
)

// Client asks one pod.
type Client struct {
	address, host string
	http          http.Client
}

// New returns a client of the pod at an address, HOST:PORT. The host is the pod's name for viewers, which is the only one
// that it answers to. The client uses no proxy and follows no redirect.
func New(address, host string) *Client {
	return &Client{address: address, host: host, http: http.Client{
		Transport:     &http.Transport{ResponseHeaderTimeout: headerTime},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       answerTime,
	}}
}

// Close closes the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Newest returns the newest records, at most limit, in one state; an empty one is any.
func (c *Client) Newest(ctx context.Context, limit int, state string) (Answer, error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if state != "" {
		query.Set("state", state)
	}
	return c.records(ctx, query)
}

// Since returns the records that changed after a revision, the Next of an earlier answer: the earliest changes, if there
// are more than MaxRecords.
func (c *Client) Since(ctx context.Context, rev uint64) (Answer, error) {
	return c.records(ctx, url.Values{"limit": {strconv.Itoa(MaxRecords)}, "after": {strconv.FormatUint(rev, 10)}})
}

func (c *Client) records(ctx context.Context, query url.Values) (answer Answer, err error) {
	err = c.get(ctx, "/api/records?"+query.Encode(), func(body io.Reader) error {
		answer, err = readAnswer(body)
		return err
	})
	return answer, err
}

// Key returns what the pod says of its keys.
func (c *Client) Key(ctx context.Context) (key Key, err error) {
	err = c.get(ctx, "/api/key", func(body io.Reader) error {
		key, err = readKey(body)
		return err
	})
	return key, err
}

// CheckAgain presses "check again" on the pod's page.
func (c *Client) CheckAgain(ctx context.Context) error {
	response, err := c.call(ctx, http.MethodPost, "/api/key/check")
	if err != nil {
		return err
	}
	return response.Body.Close()
}

func (c *Client) get(ctx context.Context, path string, read func(io.Reader) error) error {
	response, err := c.call(ctx, http.MethodGet, path)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was only read from
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("asking the pod: got status %d, want %d", response.StatusCode, http.StatusOK)
	}
	if err := read(io.LimitReader(response.Body, answerBytes)); err != nil {
		return fmt.Errorf("reading the pod's answer: %w", err)
	}
	return nil
}

func (c *Client) call(ctx context.Context, method, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+c.address+path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("asking the pod: %w", err)
	}
	request.Host = c.host
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking the pod: %w", err)
	}
	return response, nil
}
