// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/template"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// kubeletDir is where kubelets keep volumes, and where Velero and CSI drivers look for them.
	kubeletDir = "/var/lib/kubelet"
	// containerdSocket is where containerd listens, below the node's folder /run/containerd.
	containerdSocket = "/run/containerd/containerd.sock"
	// imageNamespace is containerd's namespace of what the kubelet runs.
	imageNamespace = "k8s.io"
	// pauseImage is that of the process that holds a pod's namespaces. The name is only a name: see pause.
	pauseImage = "registry.k8s.io/pause:3.10"
)

// containerdConfig is containerd's configuration (version 2, of containerd 1.6 and 1.7).
//
// restrict_oom_score_adj: where this machine is a container or a small VM itself, a process may not be protected more than
// its parent. The unprivileged ports and pings are sysctls, which such a machine refuses as well.
const containerdConfig = `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "{{.Socket}}"
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{{.Pause}}"
  restrict_oom_score_adj = true
  enable_unprivileged_ports = false
  enable_unprivileged_icmp = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{{.CNIPlugins}}"
    conf_dir = "{{.CNIConfig}}"
`

// cniConfig is the pod network: each pod has a wire to the node, which routes. A bridge would need br_netfilter, a
// module of the kernel, for Services whose pods are on the same node.
const cniConfig = `{
  "cniVersion": "0.4.0",
  "name": "pods",
  "plugins": [
    {
      "type": "ptp",
      "ipam": {"type": "host-local", "ranges": [[{"subnet": "{{.Pods}}"}]], "routes": [{"dst": "0.0.0.0/0"}]}
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`

// kubeletConfig is the kubelet's configuration. Neither a full disk of this machine nor swap is the node's business;
// images that nothing runs must stay, for there is no registry; and it asks the API server as often as it likes.
const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: false}
  x509: {clientCAFile: {{.CertificateAuthority}}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: {{.Cgroup}}
clusterDNS: [{{.DNS}}]
clusterDomain: cluster.local
containerRuntimeEndpoint: unix://{{.Socket}}
enforceNodeAllocatable: []
evictionHard: {imagefs.available: "0%", imagefs.inodesFree: "0%", memory.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%"}
failSwapOn: false
imageGCHighThresholdPercent: 100
imageMinimumGCAge: 24h
kubeAPIBurst: 200
kubeAPIQPS: 100
nodeStatusUpdateFrequency: 4s
providerID: "{{.ProviderID}}"
resolvConf: {{.ResolvConf}}
syncFrequency: 10s
volumePluginDir: /var/lib/kubelet/volumeplugins
`

// proxyConfig is the configuration of kube-proxy. The limits of connection tracking are sysctls of this machine, which
// are left alone.
const proxyConfig = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: {{.Kubeconfig}}}
clusterCIDR: {{.Pods}}
conntrack: {maxPerCore: 0, tcpCloseWaitTimeout: 0s, tcpEstablishedTimeout: 0s}
hostnameOverride: {{.Node}}
iptables: {minSyncPeriod: 0s}
mode: iptables
`

// settings are what the configurations of a node depend on.
type settings struct {
	Node, ProviderID                 string
	Region, Zone                     string
	Address, Pods, DNS               string
	Cgroup, Socket                   string
	Pause, CNIPlugins, CNIConfig     string
	Kubeconfig, CertificateAuthority string
	KubeletConfig, ProxyConfig       string
	ContainerdConfig, ResolvConf     string
}

// newSettings are those of a cluster's node.
func (m *machine) newSettings(options Options, n network) settings {
	return settings{
		Node:             nodeName(options.Name),
		ProviderID:       fmt.Sprintf("%s.i-%snode", options.Region, options.Name),
		Region:           options.Region,
		Zone:             options.Zone,
		Address:          n.node.Addr().String(),
		Pods:             n.pods.String(),
		DNS:              n.dns.String(),
		Cgroup:           m.cgroup.path(),
		Socket:           containerdSocket,
		Pause:            pauseImage,
		CNIConfig:        m.file("etc", "cni"),
		KubeletConfig:    m.file("etc", "kubelet.yaml"),
		ProxyConfig:      m.file("etc", "kube-proxy.yaml"),
		ContainerdConfig: m.file("etc", "containerd.toml"),
		ResolvConf:       m.file("etc", "resolv.conf"),
	}
}

// nodeName is the name of a cluster's node.
func nodeName(cluster string) string {
	return "node-" + cluster
}

// labels are the node's labels, by which a cloud tells where it is.
func (s settings) labels() string {
	return fmt.Sprintf("topology.kubernetes.io/region=%s,topology.kubernetes.io/zone=%s", s.Region, s.Zone)
}

// write writes the configuration files.
func (s settings) write() error {
	for _, file := range []struct{ path, text string }{
		{s.ContainerdConfig, containerdConfig},
		{filepath.Join(s.CNIConfig, "pods.conflist"), cniConfig},
		{s.KubeletConfig, kubeletConfig},
		{s.ProxyConfig, proxyConfig},
		{s.ResolvConf, "# Pods with the DNS policy Default can look up nothing: this machine's servers may be out of their reach.\n"},
	} {
		content, err := s.render(file.text)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(file.path), 0o755); err != nil {
			return fmt.Errorf("writing the node's configuration: %w", err)
		}
		if err := os.WriteFile(file.path, content, 0o644); err != nil {
			return fmt.Errorf("writing the node's configuration: %w", err)
		}
	}
	return nil
}

// render fills in the text of a configuration file.
func (s settings) render(text string) ([]byte, error) {
	parsed, err := template.New("").Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, fmt.Errorf("rendering the node's configuration: %w", err)
	}
	var content bytes.Buffer
	if err := parsed.Execute(&content, s); err != nil {
		return nil, fmt.Errorf("rendering the node's configuration: %w", err)
	}
	return content.Bytes(), nil
}

// cniPlugins finds the folder of the CNI plugins: that of Debian's package, or that by convention.
func cniPlugins() (string, error) {
	folders := []string{"/usr/lib/cni", "/opt/cni/bin"}
	for _, folder := range folders {
		if _, err := os.Stat(filepath.Join(folder, "ptp")); err == nil {
			return folder, nil
		}
	}
	return "", fmt.Errorf("the CNI plugins are in none of %v", folders)
}

// startContainerd starts containerd and waits until it answers.
func (m *machine) startContainerd(ctx context.Context, s settings) error {
	p, err := m.start("containerd", "containerd", "--config", s.ContainerdConfig)
	if err != nil {
		return err
	}
	return p.WaitFor(ctx, startTimeout, "containerd to answer", func(ctx context.Context) error {
		return m.ctr("plugins", "list", "--quiet").run(ctx)
	})
}

// ctr is a command of containerd's client for images and containers of the kubelet's.
func (m *machine) ctr(args ...string) step {
	return append(step{"ctr", "--address", m.file("root", containerdSocket), "--namespace", imageNamespace}, args...)
}

// startKubernetes starts the programs that make this machine a node, and waits until it is ready.
func (m *machine) startKubernetes(ctx context.Context, s settings, p programs, c client.Client) error {
	_, err := m.start("kube-scheduler", p.scheduler, "--kubeconfig="+s.Kubeconfig,
		"--leader-elect=false", "--secure-port=0", "--kube-api-qps=500", "--kube-api-burst=1000")
	if err != nil {
		return err
	}
	if _, err := m.start("kube-proxy", p.proxy, "--config="+s.ProxyConfig); err != nil {
		return err
	}
	kubelet, err := m.start("kubelet", p.kubelet, "--config="+s.KubeletConfig, "--kubeconfig="+s.Kubeconfig,
		"--hostname-override="+s.Node, "--node-ip="+s.Address, "--node-labels="+s.labels())
	if err != nil {
		return err
	}
	return kubelet.WaitFor(ctx, startTimeout, "the node to be ready", func(ctx context.Context) error {
		return nodeReady(ctx, c, s.Node)
	})
}

// nodeReady returns an error unless a node is ready.
func nodeReady(ctx context.Context, c client.Reader, name string) error {
	node := &corev1.Node{}
	if err := c.Get(ctx, client.ObjectKey{Name: name}, node); err != nil {
		return err
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type != corev1.NodeReady {
			continue
		}
		if condition.Status == corev1.ConditionTrue {
			return nil
		}
		return fmt.Errorf("%s: %s", condition.Reason, condition.Message)
	}
	return errors.New("it says nothing of itself yet")
}
