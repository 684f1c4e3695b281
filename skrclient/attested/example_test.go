package attested_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"testing"

	"kafka-e2ee/skrclient/attested"
	"kafka-e2ee/skrclient/attested/attestedtest"
)

// A program reads a page of a confidential container, and no other server sees its request. The policy comes from whoever
// created the container's key, never from the server.
func ExampleVerifier_Transport() {
	ctx, url, cfg := context.Background(), demo.pod.URL, demo.config

	verifier, err := attested.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: verifier.Transport()}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/page", http.NoBody)
	if err != nil {
		fmt.Println(err)
		return
	}
	response, err := client.Do(request)
	if refused, ok := errors.AsType[*attested.RefusedError](err); ok {
		fmt.Println("not the expected container:", refused)
		return
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	if _, err := io.Copy(os.Stdout, response.Body); err != nil {
		fmt.Println(err)
		return
	}
	// Output: page /page
}

// A program shows what it compared before it trusts a server.
func ExampleVerifier_Verify() {
	verifier, err := attested.New(demo.config)
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := verifier.Verify(context.Background(), demo.pod.Address())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, check := range result.Checks {
		fmt.Println(check.Text())
	}
	// Output:
	// the connection is TLS 1.3 with a valid P-256 certificate
	// the token is signed by the attestation service
	// the token is valid now
	// the hardware is of the expected type (x-ms-attestation-type)
	// debugging is as the policy demands (x-ms-sevsnpvm-is-debuggable)
	// the guest system is the expected one (x-ms-compliance-status)
	// the pod runs the expected code (x-ms-sevsnpvm-hostdata)
	// debugging is off
	// the certificate's key is the attested one
	// the token was made for this connection
	// the pod holds the expected key
}

// demo is the container of the examples.
var demo struct {
	pod    *attestedtest.Pod
	config attested.Config
}

func TestMain(m *testing.M) {
	t := &main{}
	service := attestedtest.NewService(t)
	demo.pod = service.NewPod(t, http.HandlerFunc(page))
	demo.config = attested.Config{Policy: service.Policy(), CAFile: service.CAFile, KeyIDs: demo.pod.KeyIDs}
	status := m.Run()
	for _, cleanup := range slices.Backward(t.cleanups) {
		cleanup()
	}
	os.Exit(status)
}

// main stands in for a test, which examples do not have.
type main struct{ cleanups []func() }

func (*main) Helper()                           {}
func (*main) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (*main) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (*main) Logf(format string, args ...any)   { fmt.Fprintf(os.Stderr, format, args...) }
func (m *main) Cleanup(cleanup func())          { m.cleanups = append(m.cleanups, cleanup) }

func (m *main) TempDir() string {
	dir, err := os.MkdirTemp("", "attested")
	if err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			m.Fatal(err)
		}
	})
	return dir
}
