package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// networkIsClosed sends a stranger, a pod of another namespace, to the page, and first to the metrics of the same pod, which
// the policies open to every namespace: so a stranger without a network is not taken for a closed one.
func (r *run) networkIsClosed(ctx context.Context) (string, error) {
	pod, err := r.consumerPod(ctx)
	if err != nil {
		return "", err
	}
	at := func(port int) string { return "http://" + net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(port)) }
	err = eventually(ctx, func() error {
		_, _, err := r.fetch(ctx, outside(r.cfg.Namespace), "stranger", at(9464)+"/healthz")
		return err
	})
	if err != nil {
		return "", fmt.Errorf("a stranger does not reach the metrics, which are open: %w", err)
	}
	for range 3 { // once could be a page that is slow
		_, _, err = r.fetch(ctx, outside(r.cfg.Namespace), "stranger", at(3333)+"/api/key")
		if !errors.Is(err, errNoAnswer) {
			break
		}
	}
	switch {
	case errors.Is(err, errNoAnswer):
		return "pods of other namespaces reach the metrics, and not the page", nil
	case err != nil:
		return "", err
	}
	return "", unenforcedError{errors.New("every pod of this cluster can open the page (hint: a network that enforces policies: kind 0.24 or newer, k3s, minikube start --cni=calico, AKS with --network-policy or Cilium)")}
}

// nodePortsAreClosed looks for the page at the nodes: at a port that the Service allocated, at its own port and at the
// pod's.
func (r *run) nodePortsAreClosed(ctx context.Context) (string, error) {
	var service corev1.Service
	if err := r.get(ctx, "Service", r.cfg.Namespace, "consumer", &service); err != nil {
		return "", err
	}
	ports := []int32{80, 3333}
	for _, port := range service.Spec.Ports {
		if port.NodePort != 0 {
			return "", fmt.Errorf("the Service has the port %d on every node (hint: it keeps one that it had: kubectl -n %s delete service consumer)", port.NodePort, r.cfg.Namespace)
		}
	}
	if service.Spec.HealthCheckNodePort != 0 {
		ports = append(ports, service.Spec.HealthCheckNodePort)
	}
	nodes, err := list[corev1.Node](ctx, r, "Node", "", "")
	if err != nil {
		return "", err
	}
	asked := 0
	for _, node := range nodes {
		for _, address := range node.Status.Addresses {
			if address.Type != corev1.NodeInternalIP {
				continue
			}
			for _, port := range ports {
				at := net.JoinHostPort(address.Address, strconv.Itoa(int(port)))
				// An ingress controller may answer at 80, and kube-proxy answers the health check. The page has a state,
				// and refuses another host name with 421.
				status, body, err := r.fetch(ctx, outside(r.cfg.Namespace), "stranger", "http://"+at+"/api/key")
				if err == nil && (status == http.StatusMisdirectedRequest || isKeyState(body)) {
					return "", fmt.Errorf("%s leads to the page", at)
				}
				if err != nil && !errors.Is(err, errNoAnswer) {
					return "", err
				}
				asked++
			}
		}
	}
	if asked == 0 {
		return "", errors.New("no node has an address to ask")
	}
	return fmt.Sprintf("none allocated; a pod asked %d ports of %d nodes", asked, len(nodes)), nil
}

// isKeyState reports whether a text is the page's answer to /api/key.
func isKeyState(body string) bool {
	var k struct{ State string }
	return json.Unmarshal([]byte(body), &k) == nil && k.State != ""
}
