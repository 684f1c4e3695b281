// Standin is az, kubectl, docker or curl, by the name it is called under: it hands its arguments to the stand-in that
// STANDIN_SOCKET names, and says what that answers.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"kafka-e2ee/e2e/standin"
)

func main() {
	answer, err := ask(context.Background())
	if err != nil {
		answer = standin.Answer{Err: fmt.Sprintf("asking the stand-in: %v\n", err), Code: 125}
	}
	_, outErr := io.WriteString(os.Stdout, answer.Out)
	_, errErr := io.WriteString(os.Stderr, answer.Err)
	if outErr != nil || errErr != nil {
		os.Exit(125)
	}
	os.Exit(answer.Code)
}

func ask(ctx context.Context) (answer standin.Answer, err error) {
	dir, err := os.Getwd()
	if err != nil {
		return answer, err
	}
	kubeconfig, _ := os.LookupEnv("KUBECONFIG")
	socket, _ := os.LookupEnv("STANDIN_SOCKET")
	body, err := json.Marshal(standin.Call{Name: filepath.Base(os.Args[0]), Args: os.Args[1:], Dir: dir, Kubeconfig: kubeconfig})
	if err != nil {
		return answer, err
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://standin/", bytes.NewReader(body))
	if err != nil {
		return answer, err
	}
	resp, err := client.Do(request)
	if err != nil {
		return answer, err
	}
	err = json.NewDecoder(resp.Body).Decode(&answer)
	return answer, errors.Join(err, resp.Body.Close())
}
