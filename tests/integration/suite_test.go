// SPDX-License-Identifier: Apache-2.0

// Package integration tests the plugin as a user runs it: the real Velero server loads the built binary and works
// against the simulated cloud. Nothing but loopback addresses is contacted.
package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/controlplanetest"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/sample"
)

const (
	accountID  = "1000000000000001"
	strangerID = "1000000000000002"
	region     = "cn-hangzhou"

	// timeout bounds the wait for anything that Velero does by itself: its slowest timer is that of backup sync, a
	// minute (backupSyncReconcilePeriod).
	timeout = 2 * time.Minute

	// nowhere is where the instance metadata service of a machine outside of the cloud is: port 1 of loopback, which
	// refuses.
	nowhere = "http://127.0.0.1:1"

	// groupLabel is the label of claims that are backed up together.
	groupLabel = "alibabacloud.com/consistency-group"
)

// suite is a simulated cloud and a control plane whose Velero server has the plugin. Tests share it, and have
// locations, buckets and namespaces of their own.
type suite struct {
	cloud     *cloudsim.Cloud
	cp        *controlplane.ControlPlane
	velero    *controlplane.Velero
	pluginDir string
	// env is added to the environment of the Velero server.
	env     []string
	secrets *secrets
	// buckets are the names of all that the tests have made.
	buckets *names
	// said is what the Velero CLI has written.
	said *transcript
}

// startSuite builds the plugin and starts everything, the control plane with the sample application's kinds. It ends
// with the test.
func startSuite(t *testing.T, config cloudsim.Config) *suite {
	t.Helper()
	s := newSuite(t, config)
	s.startVelero(t)
	return s
}

// newSuite is startSuite without a Velero server.
func newSuite(t *testing.T, config cloudsim.Config) *suite {
	t.Helper()
	s := &suite{pluginDir: buildPlugin(t), secrets: &secrets{}, buckets: &names{}, said: &transcript{}}
	s.cloud = startCloud(t, config)
	s.cp = controlplanetest.Start(t, controlplane.Options{})
	// A server that runs already learns of new kinds with some delay.
	must(t, sample.CreateDefinition(t.Context(), s.cp.Client))
	return s
}

// bareCloud is a cloud outside of which the clients are, with accounts that have nothing.
func bareCloud() cloudsim.Config {
	unreachable := false
	return cloudsim.Config{
		Region:   region,
		Accounts: []cloudsim.Account{{ID: accountID}, {ID: strangerID}},
		Network:  cloudsim.Network{InternalReachable: &unreachable},
	}
}

// startOther starts another, empty cluster with a Velero server. It returns the suite for it, with the same cloud. args
// are flags of its API server.
func (s *suite) startOther(t *testing.T, args ...string) *suite {
	t.Helper()
	other := s.sibling()
	other.cp = controlplanetest.Start(t, controlplane.Options{APIServerArgs: args})
	other.startVelero(t)
	return other
}

// sibling is a suite with the same cloud, and no cluster yet.
func (s *suite) sibling() *suite {
	return &suite{cloud: s.cloud, pluginDir: s.pluginDir, secrets: s.secrets, buckets: s.buckets, said: s.said}
}

// skipShort skips a test that runs other programs.
func skipShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("skipped: -short, and this test runs the real plugin")
	}
}

// buildPlugin builds the plugin into a folder that holds nothing else, and returns the folder.
func buildPlugin(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, pluginName), "../..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the plugin: %v\n%s", err, out)
	}
	return dir
}

func startCloud(t *testing.T, config cloudsim.Config) *cloudsim.Cloud {
	t.Helper()
	cloud, err := cloudsim.Start(config, cloudsim.WithStateDir(t.TempDir()))
	must(t, err)
	t.Cleanup(func() {
		if err := cloud.Close(); err != nil {
			t.Error(err)
		}
	})
	return cloud
}

// startVelero starts the server with the plugin. It ends with the control plane, and its log is searched for secrets. args
// are added to its flags.
func (s *suite) startVelero(t *testing.T, args ...string) {
	t.Helper()
	velero, err := s.cp.StartVelero(t.Context(), controlplane.VeleroOptions{
		PluginDir: s.pluginDir,
		Env: append([]string{
			// Behind the proxy the cloud's endpoints have their real names. Go never uses it for loopback addresses.
			"HTTPS_PROXY=" + s.cloud.ProxyURL(),
			"SSL_CERT_FILE=" + s.cloud.Addresses().CAFile,
			"ALIBABA_CLOUD_ECS_METADATA_ENDPOINT=" + nowhere,
			// In a pod it is the service account's.
			"KUBECONFIG=" + s.cp.Kubeconfig,
			// VolumeSnapshots are looked at each second, and not each five.
			"CSI_SNAPSHOT_EARLY_FREQUENT_POLLING=true",
		}, s.env...),
		Args: append([]string{
			// Tests of different buckets run side by side, and one slow upload must not hold up the others.
			"--concurrent-backups=4",
			// What a killed restore has left keeps the next one waiting for as long.
			"--terminating-resource-timeout=1m",
			// The claims of a consistency group come one after the other, with their hooks around them.
			"--volume-group-snapshot-label-key=" + groupLabel,
		}, args...),
	})
	must(t, err)
	s.velero = velero
	t.Cleanup(func() {
		log, err := velero.Logs()
		must(t, err)
		if err := s.secrets.in("the server's log", log); err != nil {
			t.Error(err)
		}
	})
}

// cli runs the Velero CLI and returns its standard output.
func (s *suite) cli(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.tryCLI(t.Context(), args...)
	must(t, err)
	return out
}

func (s *suite) tryCLI(ctx context.Context, args ...string) (string, error) {
	out, err := s.velero.CLI(ctx, args...)
	s.said.add(out)
	if err != nil {
		s.said.add(err.Error())
	}
	return out, err
}

// create creates objects in the cluster.
func (s *suite) create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		must(t, s.cp.Client.Create(t.Context(), object))
	}
}

// get reads an object of Velero's namespace anew.
func (s *suite) get(ctx context.Context, name string, object client.Object) error {
	return s.cp.Client.Get(ctx, client.ObjectKey{Namespace: controlplane.VeleroNamespace, Name: name}, object)
}

// eventually waits until check returns nil.
func eventually(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	must(t, poll.Until(t.Context(), timeout, what, check))
}

// inVelero is the metadata of an object in Velero's namespace.
func inVelero(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: controlplane.VeleroNamespace, Name: name}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantEqual fails unless both are equal.
func wantEqual(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// wantText returns an error unless text contains all of the parts.
func wantText(text string, parts ...string) error {
	var missing []error
	for _, part := range parts {
		if !strings.Contains(text, part) {
			missing = append(missing, fmt.Errorf("%q is missing", part))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w in:\n%s", errors.Join(missing...), text)
	}
	return nil
}

// transcript collects text. It is safe for concurrent use.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *transcript) add(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.WriteString(text)
	l.text.WriteByte('\n')
}

// Write implements io.Writer.
func (l *transcript) Write(p []byte) (int, error) {
	l.add(string(p))
	return len(p), nil
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// names is a list of names. It is safe for concurrent use.
type names struct {
	mu   sync.Mutex
	list []string
}

func (n *names) add(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, name)
}

func (n *names) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.list)
}
