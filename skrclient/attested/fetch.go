package attested

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const maxHeader = 64 << 10

// offerError is a response that holds no attestation.
type offerError struct{ got string }

func (e *offerError) Error() string { return e.got }

// refusal notes a response without an attestation as a failed check. Any other error is not a verdict.
func (r *Result) refusal(err error) error {
	if none, ok := errors.AsType[*offerError](err); ok {
		return r.check(Check{Step: StepOffer, Expected: "an attestation document at " + Path, Actual: none.got})
	}
	return err
}

// fetchToken asks for a token over the connection itself, because it must be for this connection. The connection can be
// used for other requests afterwards.
func fetchToken(ctx context.Context, conn *tls.Conn, host, nonce string) (string, error) {
	target := url.URL{Scheme: "https", Host: host, Path: Path}
	if nonce != "" {
		target.RawQuery = "nonce=" + nonce
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return "", fmt.Errorf("asking for the attestation: %w", err)
	}
	request.Header.Set("User-Agent", "verify")
	defer closeWhenDone(ctx, conn)()
	for {
		status, retryAfter, body, err := exchange(conn, request)
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return "", fmt.Errorf("asking for the attestation: %w", err)
		}
		switch {
		case status == http.StatusOK:
			token, err := ParseDocument(body)
			if err != nil {
				return "", &offerError{err.Error()}
			}
			return token, nil
		case status == http.StatusTooManyRequests && retryAfter > 0:
			select {
			case <-time.After(retryAfter):
			case <-ctx.Done():
				return "", fmt.Errorf("asking for the attestation: the server is busy and answers status 429: %w", context.Cause(ctx))
			}
		case status == http.StatusTooManyRequests || status >= http.StatusInternalServerError:
			return "", fmt.Errorf("asking for the attestation: the server has none now and answers status %d (hint: try again in a minute)", status)
		default:
			return "", &offerError{statusText(status)}
		}
	}
}

func statusText(status int) string {
	text := fmt.Sprintf("status %d %s", status, http.StatusText(status))
	if status == http.StatusMisdirectedRequest {
		text += ": the page does not answer to this host name (hint: use one of its WEB_HOSTS)"
	}
	return text
}

// closeWhenDone closes the connection if ctx ends before the returned function is called.
func closeWhenDone(ctx context.Context, conn io.Closer) (stop func()) {
	stopped := context.AfterFunc(ctx, func() { _ = conn.Close() }) //nolint:errcheck // the read then fails
	return func() { stopped() }
}

// exchange sends one request and reads its whole response, of limited length. A redirect is a response like any other.
func exchange(conn io.ReadWriter, request *http.Request) (status int, retryAfter time.Duration, body []byte, err error) {
	if err := request.Write(conn); err != nil {
		return 0, 0, nil, err
	}
	limited := &io.LimitedReader{R: conn, N: maxHeader + MaxDocument}
	reader := bufio.NewReader(limited)
	response, err := http.ReadResponse(reader, request)
	if err != nil {
		return 0, 0, nil, errors.New("the server does not speak HTTP, or its response is too long") // net/http's error would repeat what it read
	}
	body, err = io.ReadAll(response.Body)
	if closeErr := response.Body.Close(); err == nil {
		err = closeErr
	}
	switch {
	case limited.N == 0 || reader.Buffered() > 0:
		return 0, 0, nil, &offerError{fmt.Sprintf("more than one response of at most %d bytes", MaxDocument)}
	case err != nil:
		return 0, 0, nil, errors.New("the response ended early")
	}
	if seconds, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 16); err == nil {
		retryAfter = time.Duration(seconds) * time.Second
	}
	return response.StatusCode, retryAfter, body, nil
}
