// Command is az, kubectl, docker or curl, by the name it is called under: it hands its arguments to the stand-in that
// STANDIN_SOCKET names, and says what that answers.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"kafka-e2ee/e2e/standin"
)

func main() {
	answer, err := ask()
	if err != nil {
		fmt.Fprintln(os.Stderr, "asking the stand-in:", err)
		os.Exit(125)
	}
	fmt.Fprint(os.Stdout, answer.Out)
	fmt.Fprint(os.Stderr, answer.Err)
	os.Exit(answer.Code)
}

func ask() (answer standin.Answer, err error) {
	dir, err := os.Getwd()
	if err != nil {
		return answer, err
	}
	call := standin.Call{Name: filepath.Base(os.Args[0]), Args: os.Args[1:], Dir: dir, Kubeconfig: os.Getenv("KUBECONFIG")}
	body, err := json.Marshal(call)
	if err != nil {
		return answer, err
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", os.Getenv("STANDIN_SOCKET"))
	}}}
	resp, err := client.Post("http://standin/", "application/json", bytes.NewReader(body))
	if err != nil {
		return answer, err
	}
	defer resp.Body.Close()
	err = json.NewDecoder(resp.Body).Decode(&answer)
	return answer, err
}
