package cluster

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// images are the names of the images, and how they get to the cluster's nodes.
type images struct {
	consumer, producer, lab, kafka string
	load                           []string // a shell's command; its arguments are the images
	how                            string
}

// chooseImages decides by IMAGES: a tool that loads the images of this computer's Docker into its cluster (kind, k3d,
// minikube, k3s), "present" if they are on the nodes, or the registry and path that they were pushed to. Empty means the
// tool that made the cluster.
func chooseImages(ctx context.Context, cfg Config, t target) (images, error) {
	name, tool := localTool(t.context)
	given := cfg.Images
	if given == "" {
		given = tool
	}
	prefix := "kafka-e2ee"
	i := images{how: "loaded by " + given}
	switch {
	case given == "kind":
		i.load = []string{`kind load docker-image --name "$0" "$@"`, name}
	case given == "k3d":
		i.load = []string{`k3d image import --cluster "$0" "$@"`, name}
	case given == "minikube":
		i.load = []string{`minikube image load --profile "$0" "$@"`, t.context}
	case given == "k3s":
		i.load = []string{`docker save "$@" | sudo k3s ctr images import -`, given}
	case given == "present":
		i.how = "expected on the nodes"
	case strings.ContainsAny(given, "/."):
		prefix, i.how = strings.TrimSuffix(given, "/"), "pulled from "+given
	default:
		return images{}, fmt.Errorf("IMAGES: got %q, want kind, k3d, minikube, k3s, present, or the registry and path that the images were pushed to, such as registry.example/team", given)
	}
	if i.load != nil && name == "" && (given == "kind" || given == "k3d") {
		return images{}, fmt.Errorf("IMAGES: %s did not name the context %s", given, t.context)
	}
	i.consumer, i.producer, i.lab = prefix+"/consumer:"+cfg.Tag, prefix+"/producer:"+cfg.Tag, prefix+"/lab:"+cfg.Tag
	i.kafka = cfg.KafkaImage
	if i.kafka == "" {
		i.kafka = "apache/kafka:4.3.1"
		if i.load != nil { // a computer that reaches no registry has the stand-in
			if out, err := exec.CommandContext(ctx, "deploy/docker/choose", i.kafka, "kafka-e2ee/kafka:4.3.1").Output(); err == nil { //nolint:gosec // the name of an image
				i.kafka = strings.TrimSpace(string(out))
			}
		}
	}
	return i, nil
}

// loadImages loads our images, and Kafka's if this computer has it. Otherwise the nodes pull that one.
func (r *run) loadImages(ctx context.Context) (string, error) {
	if r.images.load == nil {
		return r.images.how, nil
	}
	names := []string{r.images.consumer, r.images.producer, r.images.lab}
	for _, name := range names {
		if exec.CommandContext(ctx, "docker", "image", "inspect", name).Run() != nil { //nolint:gosec // the name of an image
			return "", fmt.Errorf("the image %s is not in this computer's Docker (hint: make images)", name)
		}
	}
	if exec.CommandContext(ctx, "docker", "image", "inspect", r.images.kafka).Run() == nil { //nolint:gosec // as above
		names = append(names, r.images.kafka)
	}
	command := append([]string{"-euo", "pipefail", "-c"}, r.images.load...)
	out, err := exec.CommandContext(ctx, "bash", append(command, names...)...).CombinedOutput() //nolint:gosec // arguments, no shell text
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return "", errors.New("loading the images: " + lines[len(lines)-1])
	}
	return r.images.how, nil
}
