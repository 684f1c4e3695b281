// Standin is az, kubectl, helm, docker or curl, depending on the name it is called by. It passes its arguments to the
// stand-in at STANDIN_SOCKET and prints the answer.
package main

import (
	"fmt"
	"io"
	"os"

	"kafka-e2ee/e2e/azure/standin/client"
)

func main() {
	socket, _ := os.LookupEnv("STANDIN_SOCKET")
	kubeconfig, _ := os.LookupEnv("KUBECONFIG")
	answer, err := client.Ask(socket, kubeconfig)
	if err != nil {
		answer = client.Answer{Err: fmt.Sprintf("asking the stand-in: %v\n", err), Code: 125}
	}
	_, outErr := io.WriteString(os.Stdout, answer.Out)
	_, errErr := io.WriteString(os.Stderr, answer.Err)
	if outErr != nil || errErr != nil {
		os.Exit(125)
	}
	os.Exit(answer.Code)
}
