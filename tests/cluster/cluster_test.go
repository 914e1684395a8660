// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"
)

func TestNewNetwork(t *testing.T) {
	t.Parallel()
	want := network{
		link:     "vtc-b",
		host:     netip.MustParsePrefix("10.231.0.1/24"),
		node:     netip.MustParsePrefix("10.231.0.12/24"),
		pods:     netip.MustParsePrefix("10.232.2.0/24"),
		services: netip.MustParsePrefix("10.233.2.0/24"),
		dns:      netip.MustParseAddr("10.233.2.10"),
	}
	if diff := cmp.Diff(want, newNetwork("b", 2), cmp.AllowUnexported(network{}), cmp.Comparer(same[netip.Prefix]), cmp.Comparer(same[netip.Addr])); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	t.Run("the highest index has an address for its node", func(t *testing.T) {
		t.Parallel()
		n := newNetwork("z", maxIndex)
		if !n.node.Addr().IsValid() || !n.host.Contains(n.node.Addr()) || len(n.link) > 15 {
			t.Errorf("got %+v", n)
		}
	})
}

func same[T comparable](a, b T) bool { return a == b }

func TestOptionsThatDescribeNoCluster(t *testing.T) {
	t.Parallel()
	for _, options := range Standard() {
		if err := options.validate(); err != nil {
			t.Error(err)
		}
	}
	tests := []struct {
		name    string
		options Options
		want    string
	}{
		{"a name must fit into that of a network device", Options{Name: "muchtoolong", Index: 1, Region: "r", Zone: "z"}, `"muchtoolong" cannot be the name`},
		{"a name is no path", Options{Name: "../a", Index: 1, Region: "r", Zone: "z"}, `"../a" cannot be the name`},
		{"an index is needed", Options{Name: "a", Region: "r", Zone: "z"}, "its index is 0, and not from 1 to 200"},
		{"an index must be in the plan", Options{Name: "a", Index: 201, Region: "r", Zone: "z"}, "its index is 201, and not from 1 to 200"},
		{"a zone is needed", Options{Name: "a", Index: 1, Region: "r"}, "its region or its zone is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := tt.options.validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
	if err := Down(t.Context(), ".."); err == nil || !strings.Contains(err.Error(), "there can be no cluster") {
		t.Errorf("got error %v, want a refusal to remove a folder elsewhere", err)
	}
}

func TestConfigurationsAreYAML(t *testing.T) {
	t.Parallel()
	m := &machine{dir: "/clusters/b", cgroup: cgroup{name: "group-b"}, holder: 7}
	s := m.newSettings(Options{Name: "b", Index: 2, Region: "cn-beijing", Zone: "cn-beijing-k"}, newNetwork("b", 2))
	s.CertificateAuthority, s.Kubeconfig = "/ca.crt", "/kubeconfig"
	read := func(text string) map[string]any {
		content, err := s.render(text)
		if err != nil {
			t.Fatal(err)
		}
		var values map[string]any
		if err := yaml.UnmarshalStrict(content, &values); err != nil {
			t.Fatalf("%v:\n%s", err, content)
		}
		return values
	}
	kubelet := read(kubeletConfig)
	got := map[string]any{
		"cgroupRoot": kubelet["cgroupRoot"], "clusterDNS": kubelet["clusterDNS"], "providerID": kubelet["providerID"],
		"resolvConf": kubelet["resolvConf"], "clusterCIDR": read(proxyConfig)["clusterCIDR"], "name": read(cniConfig)["name"],
		"labels": s.labels(),
	}
	want := map[string]any{
		"cgroupRoot": "/group-b", "clusterDNS": []any{"10.233.2.10"}, "providerID": "cn-beijing.i-bnode",
		"resolvConf": "/clusters/b/etc/resolv.conf", "clusterCIDR": "10.232.2.0/24", "name": "pods",
		"labels": "topology.kubernetes.io/region=cn-beijing,topology.kubernetes.io/zone=cn-beijing-k",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "a")
	if _, err := readState(folder); !errors.Is(err, errNone) {
		t.Errorf("got error %v, want %v", err, errNone)
	}
	want := state{Name: "a", Index: 1, Region: "cn-hangzhou", Zone: "cn-hangzhou-h", Ready: true, Holder: 4711}
	if err := want.write(folder); err != nil {
		t.Fatal(err)
	}
	got, err := readState(folder)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := os.WriteFile(filepath.Join(folder, stateFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readState(folder); err == nil || !strings.Contains(err.Error(), folder) {
		t.Errorf("got error %v, want one that names the folder", err)
	}
}

func TestControlGroups(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// files are those of the kernel, and their content.
		files map[string]string
		// want are folders and files that are there after create.
		want []string
		// machine are the files that processes of the machine are written to.
		machine []string
	}{
		{
			name:    "version 2 has one hierarchy, and processes only where no further groups are",
			files:   map[string]string{"cgroup.controllers": "cpu memory\n", "g/cgroup.subtree_control": ""},
			want:    []string{"g/machine", "cgroup.subtree_control"},
			machine: []string{"g/machine/cgroup.procs"},
		},
		{
			name: "version 1 has one for each controller, and new groups no processors",
			files: map[string]string{
				"pids/cgroup.procs": "", "memory/cgroup.procs": "",
				"cpuset/cgroup.procs": "", "cpuset/cpuset.cpus": "0-1\n", "cpuset/cpuset.mems": "0\n",
			},
			want:    []string{"pids/g/machine", "memory/g", "cpuset/g/cpuset.cpus", "cpuset/g/cpuset.mems"},
			machine: []string{"pids/g/machine/cgroup.procs"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			mount := t.TempDir()
			for file, content := range tt.files {
				path := filepath.Join(mount, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			group, err := newCgroup(mount, "g")
			if err != nil {
				t.Fatal(err)
			}
			if err := group.create(); err != nil {
				t.Fatal(err)
			}
			for _, path := range tt.want {
				if _, err := os.Stat(filepath.Join(mount, path)); err != nil {
					t.Error(err)
				}
			}
			var machine []string
			for _, file := range group.machineFiles() {
				machine = append(machine, strings.TrimPrefix(file, mount+"/"))
			}
			if diff := cmp.Diff(tt.machine, machine); diff != "" {
				t.Errorf("the machine's (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := newCgroup(t.TempDir(), "g"); err == nil {
		t.Error("control groups were found where there are none")
	}
}

func TestContextOfAClusterThatIsThere(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		contexts []string
		options  Options
		want     string
		wantErr  bool
	}{
		{name: "the one that is called like the cluster", contexts: []string{"current", "b"}, options: Options{Name: "b", Index: 2}, want: "b"},
		{name: "or else the current one for the first cluster", contexts: []string{"current"}, options: Options{Name: "a", Index: 1}, want: "current"},
		{name: "but not for the second too", contexts: []string{"current"}, options: Options{Name: "b", Index: 2}, wantErr: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			config := clientcmdapi.NewConfig()
			config.CurrentContext = tt.contexts[0]
			for _, name := range tt.contexts {
				config.Contexts[name] = &clientcmdapi.Context{Cluster: name}
			}
			tt.options.Kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
			if err := clientcmd.WriteToFile(*config, tt.options.Kubeconfig); err != nil {
				t.Fatal(err)
			}
			got, err := contextOf(tt.options)
			if got != tt.want || (err != nil) != tt.wantErr {
				t.Errorf("got %q and error %v, want %q and error: %t", got, err, tt.want, tt.wantErr)
			}
		})
	}
}

func TestAClusterThatIsThereIsNotOursToChange(t *testing.T) {
	t.Parallel()
	c := &Cluster{Name: "a"}
	for _, err := range []error{c.CutNetwork(t.Context()), c.MendNetwork(t.Context()), c.LoadImage(t.Context(), "x.tar")} {
		if !errors.Is(err, errNotOurs) {
			t.Errorf("got error %v, want %v", err, errNotOurs)
		}
	}
}

func TestMissingDevices(t *testing.T) {
	t.Parallel()
	err := step{"sh", "-c", `echo 'Cannot find device "vtc-a"' >&2; exit 1`}.run(t.Context())
	if !missing(err) {
		t.Errorf("%v does not say that a device is missing", err)
	}
	err = step{"sh", "-c", "echo 'Operation not permitted' >&2; exit 2"}.run(t.Context())
	if missing(err) || !strings.Contains(err.Error(), "exit status 2: Operation not permitted") {
		t.Errorf("got error %v, want one with what the command said", err)
	}
}
