package manifests_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

// strictly lists what a strict consumer requires of records. TRUSTED_SENDERS and EXPECTED_KEY_IDS are the user's.
var strictly = map[string]string{
	"REQUIRE_FORMAT": "envelope", "REQUIRE_SENDER": "verified", "ALLOWED_READERS": "held", "REQUIRE_FRESH": "true", "TRUSTED_SENDERS": "", "EXPECTED_KEY_IDS": "",
}

// anchors are the consumer's variables that decide whom it trusts.
var anchors = []string{"TRUSTED_SENDERS", "REQUIRE_SENDER", "ALLOWED_READERS", "EXPECTED_KEY_IDS", "WEB_USERS", "WEB_CLIENT_CA"}

// anchorsAreMeasured checks that a strict consumer has its requirements, and everything that it trusts, as plain values
// of its environment. The pod's policy measures those. The cluster's administrators can exchange ConfigMaps, Secrets
// and the files that are mounted from them.
func anchorsAreMeasured(c *cluster) error {
	if !c.choice.has("strict") {
		return nil
	}
	d, err := c.consumer()
	if err != nil {
		return err
	}
	in := container(d, consumerName)
	var problems []error
	if len(in.EnvFrom) > 0 {
		problems = append(problems, errors.New("the environment comes from a ConfigMap or Secret, which is not measured"))
	}
	for _, variable := range anchors {
		problems = append(problems, isMeasured(in, variable))
	}
	for variable, want := range strictly {
		if got, set := environment(in)(variable); !set || got == "" || want != "" && got != want {
			problems = append(problems, fmt.Errorf("%s is %q, want %q", variable, got, want))
		}
	}
	return errors.Join(problems...)
}

func isMeasured(in *corev1.Container, variable string) error {
	for _, e := range in.Env {
		switch {
		case e.Name == variable+"_FILE":
			return fmt.Errorf("%s: a mounted file is not measured; want %s", e.Name, variable)
		case e.Name == variable && e.ValueFrom != nil:
			return fmt.Errorf("%s: comes from a ConfigMap or Secret, which is not measured", variable)
		case e.Name == variable && strings.Contains(e.Value, "$("):
			return fmt.Errorf("%s: takes in another variable, which need not be measured", variable)
		}
	}
	return nil
}

// unmeasured are single edits of the strict consumer, and what must be reported about each.
var unmeasured = map[string]struct {
	edit func(*corev1.Container)
	says string
}{
	"senders in a ConfigMap":    {from("TRUSTED_SENDERS", inConfigMap), "TRUSTED_SENDERS: comes from"},
	"senders in a Secret":       {from("TRUSTED_SENDERS", inSecret), "TRUSTED_SENDERS: comes from"},
	"senders in a file":         {rename("TRUSTED_SENDERS", "TRUSTED_SENDERS_FILE"), "TRUSTED_SENDERS_FILE: a mounted file"},
	"senders by reference":      {set("TRUSTED_SENDERS", "$(SENDERS)"), "TRUSTED_SENDERS: takes in another"},
	"no senders":                {rename("TRUSTED_SENDERS", "WEB_NOTICE"), `TRUSTED_SENDERS is ""`},
	"roots in a ConfigMap":      {also("WEB_CLIENT_CA", inConfigMap), "WEB_CLIENT_CA: comes from"},
	"roots in a file":           {also("WEB_CLIENT_CA_FILE", nil), "WEB_CLIENT_CA_FILE: a mounted file"},
	"users in a Secret":         {from("WEB_USERS", inSecret), "WEB_USERS: comes from"},
	"users in a file":           {rename("WEB_USERS", "WEB_USERS_FILE"), "WEB_USERS_FILE: a mounted file"},
	"sender ids in a ConfigMap": {from("REQUIRE_SENDER", inConfigMap), "REQUIRE_SENDER: comes from"},
	"reader ids in a ConfigMap": {from("ALLOWED_READERS", inConfigMap), "ALLOWED_READERS: comes from"},
	"key ids in a ConfigMap":    {from("EXPECTED_KEY_IDS", inConfigMap), "EXPECTED_KEY_IDS: comes from"},
	"key ids in a Secret":       {from("EXPECTED_KEY_IDS", inSecret), "EXPECTED_KEY_IDS: comes from"},
	"no key ids":                {set("EXPECTED_KEY_IDS", ""), `EXPECTED_KEY_IDS is ""`},
	"everything in a ConfigMap": {func(c *corev1.Container) {
		c.EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "trust"}}}}
	}, "the environment comes from"},
	"everything in a Secret": {func(c *corev1.Container) {
		c.EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "trust"}}}}
	}, "the environment comes from"},
	"another format": {set("REQUIRE_FORMAT", "envelope,rsa"), "REQUIRE_FORMAT is"},
	"any sender":     {set("REQUIRE_SENDER", ""), "REQUIRE_SENDER is"},
	"another reader": {set("ALLOWED_READERS", "held,"+expectedKey), "ALLOWED_READERS is"},
	"stale records":  {set("REQUIRE_FRESH", "false"), "REQUIRE_FRESH is"},
	"replays":        {rename("REQUIRE_FRESH", "WEB_NOTICE"), "REQUIRE_FRESH is"},
}

var (
	reference   = corev1.LocalObjectReference{Name: "trust"}
	inConfigMap = &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: reference, Key: "it"}}
	inSecret    = &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: reference, Key: "it"}}
)

func change(variable string, edit func(*corev1.EnvVar)) func(*corev1.Container) {
	return func(c *corev1.Container) {
		for i := range c.Env {
			if c.Env[i].Name == variable {
				edit(&c.Env[i])
			}
		}
	}
}

func from(variable string, source *corev1.EnvVarSource) func(*corev1.Container) {
	return change(variable, func(e *corev1.EnvVar) { e.Value, e.ValueFrom = "", source })
}

func rename(variable, to string) func(*corev1.Container) {
	return change(variable, func(e *corev1.EnvVar) { e.Name, e.Value = to, "/etc/trust/it" })
}

func set(variable, value string) func(*corev1.Container) {
	return change(variable, func(e *corev1.EnvVar) { e.Value = value })
}

func also(variable string, source *corev1.EnvVarSource) func(*corev1.Container) {
	return func(c *corev1.Container) {
		c.Env = append(c.Env, corev1.EnvVar{Name: variable, ValueFrom: source})
	}
}

// Without this a strict consumer could trust what somebody puts into a ConfigMap or a Secret: a sender, a viewer or a key
// of their own, although the pod's measurement is the one that was approved.
func TestStrictTrustsOnlyWhatIsMeasured(t *testing.T) {
	t.Parallel()
	for _, overlay := range []string{kataCC, aci, coco} {
		chosen := choice{overlay, []string{"settings", "page-tls", "sign-in", "strict", "strimzi"}}
		_, good := chosen.renders(t)
		if err := anchorsAreMeasured(good); err != nil {
			t.Errorf("%s: %v", chosen, err)
		}
		for name, u := range unmeasured {
			_, c := chosen.renders(t)
			d, err := c.consumer()
			if err != nil {
				t.Fatal(err)
			}
			u.edit(container(d, consumerName))
			if err := anchorsAreMeasured(c); err == nil || !strings.Contains(err.Error(), u.says) {
				t.Errorf("%s, %s: want %q, got: %v", chosen, name, u.says, err)
			}
		}
	}
}

// Without this the strict variant could start before it is told whom to trust.
func TestStrictSettingsMustBeGiven(t *testing.T) {
	t.Parallel()
	chosen := choice{kataCC, []string{"settings", "page-tls", "sign-in", "strict", "strimzi"}}
	files := chosen.files(t)
	for _, name := range []string{settings, sendersFile, usersFile} {
		files[name] = read(t, name)
	}
	c, err := decode(render(t, kataCC, files))
	if err != nil {
		t.Fatal(err)
	}
	c.choice = chosen
	for _, variable := range []string{"TRUSTED_SENDERS: ", "EXPECTED_KEY_IDS: ", "WEB_USERS: "} {
		if err := programsAccept(c); err == nil || !strings.Contains(err.Error(), variable) {
			t.Errorf("want %q: %v", variable, err)
		}
	}
}

// Without this the README's commands might not select the strict variant, or write senders that the consumer refuses.
func TestStrictReadmeCommands(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.OpenSSL)
	_, section, _ := strings.Cut(read(t, "README.md"), "## The strict variant")
	_, section, _ = strings.Cut(section, "```sh\ncd deploy/kubernetes\n")
	commands, _, found := strings.Cut(section, "```\n")
	if !found {
		t.Fatal("the README shows no commands")
	}
	dir := t.TempDir()
	// It stands in for the cluster, which takes a Secret with the signing key.
	kubectl := "#!/bin/sh\n[ \"$*\" = '-n kafka create secret generic signing-key --from-file=signing.pem' ] && [ -s signing.pem ]\n"
	harness.WritePrograms(t, func() error {
		return errors.Join(os.CopyFS(dir, os.DirFS(root)), os.WriteFile(filepath.Join(dir, "kubectl"), []byte(kubectl), 0o700))
	})
	run := exec.Command("bash", "-euo", "pipefail", "-c", commands)
	run.Dir, run.Env = dir, append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	files := filledIn(t)
	for _, name := range []string{sendersFile, kataCC + "/kustomization.yaml"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
	}
	c, err := decode(render(t, kataCC, files))
	if err != nil {
		t.Fatal(err)
	}
	c.choice = choice{kataCC, []string{"strimzi", "settings", "strict"}}
	if err := c.check(); err != nil {
		t.Error(err)
	}
}

// Without this the strict variant might show nothing, or show what it is deployed to reject. The programs run with the
// rendered environments; only addresses and paths are this machine's.
func TestStrictProgramsRun(t *testing.T) {
	t.Parallel()
	broker, k, stranger := harness.Broker(t, 1), harness.NewKeys(t), harness.NewKey(t)
	chosen := choice{coco, []string{"settings", "strict", "strimzi"}}
	files := chosen.files(t)
	senders, err := os.ReadFile(k.Trusted)
	if err != nil {
		t.Fatal(err)
	}
	files[sendersFile], files[keyFile] = string(senders), k.Public
	files[settings] = strings.Replace(files[settings], expectedKey, envelope.KeyID(&k.Private.PublicKey), 1)
	c, err := decode(render(t, coco, files))
	if err != nil {
		t.Fatal(err)
	}
	public := filepath.Join(t.TempDir(), "public.pem")
	variables := func(name string, here ...string) []string {
		var all []string
		for in := range c.own() {
			if in.Name == name {
				for _, e := range in.Env {
					all = append(all, e.Name+"="+e.Value)
				}
			}
		}
		return append(all, here...) // the last one counts
	}
	p, _ := harness.StartConsumer(t, broker, k.Sidecar, append(variables(consumerName), "KEY_PROVIDER=skr", "SkrClientKID="+harness.KeyName)...)
	p.Wait("the key is released", func() bool { return p.KeyState() == "released" })
	produce := func(text, publicKey string, settings ...string) {
		t.Helper()
		if err := os.WriteFile(public, []byte(publicKey), 0o600); err != nil {
			t.Fatal(err)
		}
		here := append([]string{"BROKERS=" + strings.Join(broker.ListenAddrs(), ","), "PUBKEY_FILE=" + public, "SIGNING_KEY_FILE=" + k.Signing, "METRICS_ADDR=", "MSG=" + text, "COUNT=1"}, settings...)
		harness.Start(t, "produce", nil, variables(producerName, here...)...).WaitExit()
	}
	produce("good", k.Public)
	produce("unsigned", k.Public, "SIGNING_KEY_FILE=")
	produce("of format rsa", k.Public, "SIGNING_KEY_FILE=", "FORMAT=rsa")
	produce("for a stranger, too", k.Public+harness.PublicPEM(t, &stranger.PublicKey))
	for _, r := range p.WaitStates(map[string]int{"decrypted": 1, "rejected": 3}) {
		if reason := []string{"", "sender", "format", "reader"}[r.Offset]; r.RejectReason != reason || (r.State == "decrypted") != (r.Value == "Msg 1: good") {
			t.Errorf("offset %d is %s %q, rejected for %q, want %q", r.Offset, r.State, r.Value, r.RejectReason, reason)
		}
	}
}
