package standin

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"kafka-e2ee/e2e/azure/standin/client"
)

// docker is an engine with BuildKit, as far as deploy/images uses it.
func (w *World) docker(call client.Call) (string, error) {
	args := call.Args
	switch text := strings.Join(args, " "); {
	case text == "--version":
		return "Docker version 28.5.1, build e180ab8\n", nil
	case text == "buildx version":
		return "github.com/docker/buildx v0.29.1\n", nil
	case text == "version --format {{.Server.Version}}":
		return "28.5.1\n", nil
	case len(args) > 2 && args[0] == "image" && args[1] == "inspect":
		if id := "docker/" + strings.ReplaceAll(args[len(args)-1], "/", "!"); w.has(id) && args[2] == "--format" {
			return args[len(args)-1] + " 12345678\n", nil
		}
		return "", fail("No such image: %s", args[len(args)-1])
	case args[0] == "build":
		file, tag := slices.Index(args, "-f"), slices.Index(args, "-t")
		if file < 0 || tag < 0 || args[len(args)-1] != "." {
			return "", fail("unknown build: %s", text)
		}
		if _, err := os.Stat(absolute(call, args[file+1])); err != nil {
			return "", err
		}
		w.set("docker/"+strings.ReplaceAll(args[tag+1], "/", "!"), nil)
		return "", nil
	case len(args) == 3 && args[0] == "tag":
		if err := w.there("docker/" + strings.ReplaceAll(args[1], "/", "!")); err != nil {
			return "", err
		}
		w.set("docker/"+strings.ReplaceAll(args[2], "/", "!"), nil)
		return "", nil
	case len(args) == 2 && args[0] == "push":
		server, name, _ := strings.Cut(args[1], "/")
		if w.objects["docker/login"][server] == "" {
			return "", fail("unauthorized: authentication required")
		}
		if err := w.there("docker/" + strings.ReplaceAll(args[1], "/", "!")); err != nil {
			return "", err
		}
		w.set(image(strings.TrimSuffix(server, ".azurecr.io"), name), map[string]string{"digest": fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(name)))})
		return "", nil
	default:
		return "", fail("unknown docker command: %s", text)
	}
}

// strimziRelease holds the parts of Strimzi's release file that matter here, with its default namespace.
const strimziRelease = `apiVersion: v1
kind: ServiceAccount
metadata:
  name: strimzi-cluster-operator
  labels:
    app: strimzi
  namespace: myproject
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: strimzi-cluster-operator
  labels:
    app: strimzi
subjects:
  - kind: ServiceAccount
    name: strimzi-cluster-operator
    namespace: myproject
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: kafkas.kafka.strimzi.io
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: kafkanodepools.kafka.strimzi.io
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: kafkatopics.kafka.strimzi.io
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: kafkausers.kafka.strimzi.io
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: strimzipodsets.core.strimzi.io
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: strimzi-cluster-operator
  labels:
    app: strimzi
`

// curl fetches Strimzi's release and the attestation service's keys, and nothing else.
func (w *World) curl(call client.Call) (string, error) {
	var output, url string
	for rest := call.Args; len(rest) > 0; rest = rest[1:] {
		switch rest[0] {
		case "--fail", "--silent", "--show-error", "--location":
		case "--max-time", "--output":
			if len(rest) < 2 {
				return "", fail("option %s: requires parameter", rest[0])
			}
			if rest[0] == "--output" {
				output = rest[1]
			}
			rest = rest[1:]
		default:
			if url != "" || !strings.HasPrefix(rest[0], "https://") {
				return "", fail("option %s: is unknown", rest[0])
			}
			url = rest[0]
		}
	}
	const release = "https://github.com/strimzi/strimzi-kafka-operator/releases/download/1.2.0/strimzi-cluster-operator-1.2.0.yaml"
	if url == release {
		return "", os.WriteFile(absolute(call, output), []byte(strimziRelease), 0o600)
	}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	status, text, err := w.fetch(request)
	switch {
	case err != nil:
		return "", fail("curl: (6) Could not resolve host: %v", err)
	case status != http.StatusOK:
		return "", fail("curl: (22) The requested URL returned error: %d", status)
	}
	return string(text), nil
}
