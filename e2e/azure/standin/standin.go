// Package standin stands in for everything that deploy/azure calls: az, kubectl, helm, docker and curl, with a subscription,
// a cluster and an engine that keep state. The keys are in the lab's emulated vault.
//
// It is strict, since a lenient stand-in proves nothing: unknown commands and flags, flags without a value, missing
// resources and objects that the API server would refuse are failures. It cannot know whether Azure agrees: for az's
// core commands, e2e/azure/azurecli asks the real parser.
package standin

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"

	"kafka-e2ee/e2e/azure/standin/client"
	"kafka-e2ee/lab/cloud"
)

// fault is the failure of a command.
type fault struct{ text string }

func (f fault) Error() string { return f.text }

func fail(format string, args ...any) error { return fault{fmt.Sprintf(format, args...)} }

// The person who is signed in, the subscription, and the family of the machine type.
const (
	Subscription = "11111111-2222-3333-4444-555555555555"
	Person       = "99999999-0000-0000-0000-000000000001"
	nodesID      = "99999999-0000-0000-0000-000000000002"
	family       = "standardDCACCV5Family"
)

// World is the state behind the commands. Its fields may be changed between two runs of a script.
type World struct {
	Cloud           *cloud.Cloud
	AttestationHost string
	VaultHost       string

	Account    string            // the subscription that az works on
	Versions   map[string]string // of azure-cli and its extensions
	Feature    string            // state of KataCcIsolationPreview
	Providers  map[string]string // registration states
	Region     string            // that has the machine type, and confidential container groups
	Ended      bool              // AKS makes no more nodes for confidential containers
	Cores      int               // the quota that is left
	RoleDelay  int               // how many times a new role is refused in the vault
	RuntimeGap bool              // clusters come without the runtime class
	GroupState string            // what becomes of a new container group, if not Running
	Refusals   map[string]string // errors of commands, by their prefix: they fail with them

	mu      sync.Mutex
	objects map[string]map[string]string
	calls   []client.Call
	broken  map[string]bool
	breaks  string // "", "before" or "after"
	Broken  string // the call that was broken in this run
	after   int    // calls that change something after that
}

// New returns a world with an empty subscription.
func New(c *cloud.Cloud, attestationHost, vaultHost string) *World {
	return &World{
		Cloud: c, AttestationHost: attestationHost, VaultHost: vaultHost, Account: Subscription, Feature: "Registered", Region: "eastus", Cores: 16, RoleDelay: 2,
		Versions: map[string]string{"azure-cli": "2.91.0", "aks-preview": "18.0.0b5", "confcom": "1.2.6", "attestation": "1.0.0"},
		Providers: map[string]string{
			"Microsoft.ContainerService": "Registered", "Microsoft.ContainerRegistry": "Registered", "Microsoft.ManagedIdentity": "Registered",
			"Microsoft.Attestation": "Registered", "Microsoft.KeyVault": "Registered", "Microsoft.ContainerInstance": "Registered", "Microsoft.Network": "Registered", "Microsoft.EventHub": "Registered",
		},
		Refusals: map[string]string{}, objects: map[string]map[string]string{}, broken: map[string]bool{},
	}
}

// Listen serves the commands on a Unix socket until the returned function is called.
func (w *World) Listen(socket string) (stop func() error, err error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", socket)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // it is closed
			}
			go w.serve(conn)
		}
	}()
	return l.Close, nil
}

func (w *World) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }() //nolint:errcheck // nothing is left to lose
	var call client.Call
	if json.NewDecoder(conn).Decode(&call) == nil {
		_ = json.NewEncoder(conn).Encode(w.perform(call)) //nolint:errcheck // the waiting command reports it
	}
}

// temporary is the scripts' temporary folders, which have different names in each run.
var temporary = regexp.MustCompile(`tmp\.\w+`)

func (w *World) perform(call client.Call) client.Answer {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, call)
	text := temporary.ReplaceAllString(call.String(), "tmp")
	breaking := w.breaks != "" && w.Broken == "" && !tolerated(text) && !w.broken[text] && (w.breaks == "before" || changes(text))
	if breaking {
		w.broken[text], w.Broken = true, text
	} else if w.Broken != "" && changes(text) {
		w.after++
	}
	if breaking && w.breaks == "before" {
		return client.Answer{Err: "ERROR: broken on purpose\n", Code: 1}
	}
	var out string
	err := w.refusal(text)
	if err == nil {
		switch call.Name {
		case "az":
			out, err = w.az(call)
		case "kubectl":
			out, err = w.kubectl(call)
		case "helm":
			err = w.helm(call)
		case "docker":
			out, err = w.docker(call)
		case "curl":
			out, err = w.curl(call)
		default:
			err = fail("%s: command not found", call.Name)
		}
	}
	switch {
	case breaking:
		return client.Answer{Err: "ERROR: broken on purpose\n", Code: 1}
	case err != nil:
		return client.Answer{Err: "ERROR: " + err.Error() + "\n", Code: 1}
	}
	return client.Answer{Out: out}
}

func (w *World) refusal(text string) error {
	for begin, said := range w.Refusals {
		if strings.HasPrefix(text, begin) {
			return fail("%s", said)
		}
	}
	return nil
}

// tolerated lists calls that the scripts of deploy/images may see fail: they go on without, or report it themselves.
func tolerated(call string) bool {
	return strings.HasPrefix(call, "docker image") || strings.HasPrefix(call, "docker --version") || strings.HasPrefix(call, "docker version") || strings.HasPrefix(call, "docker buildx version")
}

func changes(call string) bool {
	for _, word := range []string{" create ", " add ", " delete ", " purge ", " update ", " apply ", " push ", " tag ", " build ", "--method POST", " upgrade "} {
		if strings.Contains(call, word) {
			return true
		}
	}
	return false
}

// Break makes each call fail that has not failed before, one in each run: before or after its effect.
func (w *World) Break(when string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.breaks, w.Broken, w.after = when, "", 0
}

// ChangedAfter returns how many changing calls followed the broken one.
func (w *World) ChangedAfter() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.after
}

// Calls returns the calls since the last time.
func (w *World) Calls() []client.Call {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := w.calls
	w.calls = nil
	return calls
}

// Add adds an object that no command made.
func (w *World) Add(id string, attributes map[string]string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set(id, attributes)
}

// Remove removes an object as somebody else would.
func (w *World) Remove(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.remove(id)
}

// Objects returns the names of all objects, in order.
func (w *World) Objects() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.objects))
}

// Get returns an attribute of an object.
func (w *World) Get(id, attribute string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.objects[id][attribute]
}

// Checkpoint returns a function that restores all objects. What the world refuses, and how, is reset to its beginning.
func (w *World) Checkpoint() (restore func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	saved := clone(w.objects)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		fresh := New(w.Cloud, w.AttestationHost, w.VaultHost)
		w.Account, w.Versions, w.Feature, w.Providers, w.Region = fresh.Account, fresh.Versions, fresh.Feature, fresh.Providers, fresh.Region
		w.Ended, w.Cores, w.RoleDelay, w.RuntimeGap, w.GroupState, w.Refusals = fresh.Ended, fresh.Cores, fresh.RoleDelay, fresh.RuntimeGap, fresh.GroupState, fresh.Refusals
		w.objects = clone(saved)
	}
}

func clone(objects map[string]map[string]string) map[string]map[string]string {
	copied := make(map[string]map[string]string, len(objects))
	for id, attributes := range objects {
		copied[id] = maps.Clone(attributes)
	}
	return copied
}

func (w *World) set(id string, attributes map[string]string) {
	if w.objects[id] == nil {
		w.objects[id] = map[string]string{}
	}
	maps.Copy(w.objects[id], attributes)
}

func (w *World) has(id string) bool { return w.objects[id] != nil }

// remove deletes an object and everything in it.
func (w *World) remove(id string) {
	maps.DeleteFunc(w.objects, func(other string, _ map[string]string) bool { return other == id || strings.HasPrefix(other, id+"/") })
}

// within returns the names directly in a folder.
func (w *World) within(folder string) []any {
	names := []any{}
	for _, id := range slices.Sorted(maps.Keys(w.objects)) {
		if name, ok := strings.CutPrefix(id, folder+"/"); ok && !strings.Contains(name, "/") {
			names = append(names, name)
		}
	}
	return names
}
