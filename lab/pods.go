package lab

import (
	"context"
	"log/slog"
	"path/filepath"

	"kafka-e2ee/consumer"
	"kafka-e2ee/consumer/keys"
	"kafka-e2ee/lab/cloud"
	"kafka-e2ee/lab/env"
	"kafka-e2ee/lab/formats"
	"kafka-e2ee/lab/scenario"
	"kafka-e2ee/lab/vault"
	"kafka-e2ee/web/access"
)

// The names of the pods.
const (
	confidentialName = "confidential"
	ordinaryName     = "ordinary"
)

// replacePods ends the pods and their scenario, and starts both in another one.
func (d *demo) replacePods(plan scenario.Scenario, chosen formats.Format) error {
	end(d.events) // first: they change the environment, too
	if err := d.env.Prepare(plan.Rotations); err != nil {
		return err
	}
	end(d.replaced)
	return d.restartPods(plan, chosen)
}

// restartPods brings the cloud back to good, then into the scenario, and starts both pods, which read their history from
// Kafka.
func (d *demo) restartPods(plan scenario.Scenario, chosen formats.Format) error {
	if err := d.env.Restart(plan.Pod); err != nil {
		return err
	}
	if plan.Before != nil {
		if err := plan.Before(d.env); err != nil {
			return err
		}
	}
	d.timeline.Restart(d.env.SecurityPolicies())
	sidecar, attested := d.env.Sidecar.URL(), d.addrs.attested
	if plan.NoSidecar {
		sidecar = noSidecarURL
	}
	if plan.Impostor {
		attested = d.addrs.relayed
	}
	pod := d.podConfig(chosen)
	pods := make(map[string]consumer.Config)
	for name, differs := range map[string]struct{ page, attested, sidecar, metrics string }{
		confidentialName: {d.addrs.confidential, attested, sidecar, d.addrs.metrics.confidential}, ordinaryName: {d.addrs.ordinary, "", noSidecarURL, d.addrs.metrics.ordinary},
	} {
		cfg := pod // the sidecar is the only difference between the pods, beside their addresses
		cfg.Access.Addr, cfg.Access.AttestedAddr, cfg.Keys.SkrURL, cfg.Group, cfg.WebName = differs.page, differs.attested, differs.sidecar, name, name
		cfg.MetricsAddr = differs.metrics
		if d.borrowed != nil { // other pods may have the short names
			cfg.Group = d.borrowed.Group(name)
		}
		if name == confidentialName { // it shows the console's command
			cfg.WebVerify = d.Addresses().Verify
		}
		pods[name] = cfg
	}
	if err := d.startPods(pods); err != nil {
		return err
	}
	if plan.Impostor {
		d.replaced = append(d.replaced, d.start("impostor", func(ctx context.Context, log *slog.Logger) error {
			return impersonate(ctx, d.addrs.attested, attested, log)
		}))
	}
	played := newPlay(plan)
	d.mu.Lock()
	d.play = played
	d.mu.Unlock()
	d.replaced = append(d.replaced, d.start("watch", d.watchPod))
	d.events = []*part{d.start("scenario", func(ctx context.Context, _ *slog.Logger) error { return d.run(ctx, played) })}
	return nil
}

// startPods starts the pods, in this process or in their containers.
func (d *demo) startPods(pods map[string]consumer.Config) error {
	d.replaced = nil
	if d.containers != nil {
		return d.orderPods(pods)
	}
	for name, cfg := range pods {
		d.replaced = append(d.replaced, d.start(name+" pod", func(ctx context.Context, log *slog.Logger) error {
			return consumer.Run(ctx, cfg, consumer.Build{Version: "lab"}, log)
		}))
	}
	return nil
}

// podConfig returns what both pods have in common.
func (d *demo) podConfig(chosen formats.Format) consumer.Config {
	pod := consumer.Config{
		Settings: d.kafka, Topic: d.topic,
		Keys: keys.Settings{
			Names: d.env.KeyNames(), MAAEndpoint: d.addrs.maa, AKVEndpoint: env.VaultHost,
			AttestationCAFile: filepath.Join(d.dir, env.AuthorityFile), PolicyFile: filepath.Join(d.dir, env.PolicyFile),
		},
		WebHistory: 1000, UnpackedBytes: 16 << 20, WebNotice: "lab",
		Access: access.Settings{Hosts: []string{"localhost", "127.0.0.1", "::1"}}, // against DNS rebinding
	}
	if chosen.Signed() {
		pod.TrustedSenders = d.trusted
	}
	if chosen.Strict() {
		formats.RequireProof(&pod, d.env.KeyIDs())
	}
	return pod
}

// roles returns the roles of the confidential pod's identity.
func (d *demo) roles() []vault.Role { return d.env.Cloud.Vault.Roles(cloud.PodID) }
