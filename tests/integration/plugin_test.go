// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/vmware-tanzu/velero/pkg/plugin/clientmgmt"
	"github.com/vmware-tanzu/velero/pkg/plugin/framework"
	"github.com/vmware-tanzu/velero/pkg/plugin/framework/common"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
)

const (
	gibibyte = 1 << 30
	// memoryLimit is what one process of the plugin may use: Velero's pod has 512 MiB by default, for the server and
	// several of these.
	memoryLimit = 128 << 20

	bucketName = "cnfs-oss-backup"
	nodeRole   = "KubernetesWorkerRole"
)

// TestPlugin runs the plugin as a process of its own, started and spoken to by the code with which Velero does it.
func TestPlugin(t *testing.T) {
	skipShort(t)
	dir := buildPlugin(t)
	t.Run("3 GiB are stored and read back in bounded memory", func(t *testing.T) {
		p := startPlugin(t, dir, nil)
		const key = "velero/backups/large/large.tar.gz"
		start := time.Now()
		sent := sha256.New()
		must(t, p.store.PutObject(bucketName, key, io.TeeReader(randomStream(3*gibibyte), sent)))
		stored, atUpload := time.Now(), peakMemory(t, p.pid(t))

		body, err := p.store.GetObject(bucketName, key)
		must(t, err)
		defer body.Close()
		received := sha256.New()
		size, err := io.Copy(received, body)
		must(t, err)
		t.Logf("Stored 3 GiB in %s, read them in %s", stored.Sub(start).Round(time.Second), time.Since(stored).Round(time.Second))

		wantEqual(t, "bytes read", size, int64(3*gibibyte))
		wantEqual(t, "SHA-256", hex.EncodeToString(received.Sum(nil)), hex.EncodeToString(sent.Sum(nil)))
		peak := peakMemory(t, p.pid(t))
		t.Logf("The plugin process used %d MiB at most, %d of them for the upload (VmHWM)", peak>>20, atUpload>>20)
		if peak >= memoryLimit {
			t.Errorf("the plugin process used %d MiB, want less than %d MiB", peak>>20, memoryLimit>>20)
		}
	})
	t.Run("an upload of 1 GiB whose process is killed leaves no object, and its parts are freed by a later one", func(t *testing.T) {
		p := startPlugin(t, dir, nil)
		testKilledUpload(t, p)
	})
	t.Run("200 calls under the node's RAM role fetch credentials once and share connections", func(t *testing.T) {
		p := startPlugin(t, dir, map[string]string{"credentialsFile": ""})
		testCallsUnderNodeRole(t, p)
	})
}

// plugin is a process of the plugin, and a cloud of its own.
type plugin struct {
	cloud   *cloudsim.Cloud
	dir     string
	store   velero.ObjectStore
	log     *transcript
	secrets *secrets
}

// startPlugin starts a cloud and the plugin, with a location whose config has the changes. When the test ends it looks
// for secrets in what the plugin has logged.
func startPlugin(t *testing.T, dir string, changes map[string]string) *plugin {
	t.Helper()
	p := &plugin{dir: dir, log: &transcript{}, secrets: &secrets{}}
	key := cloudsim.AccessKey{ID: "LTAIvelero", Secret: p.secrets.keep("the-secret-key-of-velero")}
	p.cloud = startCloud(t, cloudWithInstance(t, key))
	// Velero's code starts plugins in the environment of the process.
	t.Setenv("ALIBABA_CLOUD_ECS_METADATA_ENDPOINT", p.cloud.MetadataURL())

	log := logrus.New()
	log.SetOutput(p.log)
	log.SetLevel(logrus.DebugLevel)
	manager := clientmgmt.NewManager(log, log.Level, pluginRegistry(filepath.Join(dir, pluginName)))
	t.Cleanup(func() {
		manager.CleanupClients()
		if err := p.secrets.in("the plugin's log", p.log.String()); err != nil {
			t.Error(err)
		}
	})
	store, err := manager.GetObjectStore("velero.io/alibabacloud")
	must(t, err)
	must(t, store.Init(p.config(t, key, changes)))
	p.store = store
	return p
}

// pluginRegistry is a process.Registry that has one executable for everything. Velero's own cannot be used: to find the
// plugins that are built into the server it starts the running program again, which is this test.
type pluginRegistry string

// DiscoverPlugins implements process.Registry.
func (r pluginRegistry) DiscoverPlugins() error { return nil }

// List implements process.Registry.
func (r pluginRegistry) List(common.PluginKind) []framework.PluginIdentifier { return nil }

// Get implements process.Registry.
func (r pluginRegistry) Get(kind common.PluginKind, name string) (framework.PluginIdentifier, error) {
	return framework.PluginIdentifier{Command: string(r), Kind: kind, Name: name}, nil
}

// cloudWithInstance is a cloud with a bucket, a user who has the key, and an instance with a role. Both may do what
// deploy/ram/oss.json grants.
func cloudWithInstance(t *testing.T, key cloudsim.AccessKey) cloudsim.Config {
	t.Helper()
	policy, err := account.ParsePolicy([]byte(shippedPolicy(t, bucketName)))
	must(t, err)
	return cloudsim.Config{
		Region: region,
		Accounts: []cloudsim.Account{{
			ID:    accountID,
			Users: []cloudsim.User{{Name: "velero", Keys: []cloudsim.AccessKey{key}, Policies: []account.Policy{policy}}},
			Roles: []cloudsim.Role{{Name: nodeRole, Trust: trustInECS(t), Policies: []account.Policy{policy}}},
		}},
		Buckets:  []oss.BucketConfig{{Name: bucketName, Region: region, Owner: accountID}},
		Instance: &cloudsim.Instance{ID: "i-bp1", Region: region, Account: accountID, Role: nodeRole},
	}
}

// trustInECS is the trust policy of a role for instances.
func trustInECS(t *testing.T) account.TrustPolicy {
	t.Helper()
	var trust account.TrustPolicy
	must(t, trust.UnmarshalJSON([]byte(
		`{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["ecs.aliyuncs.com"]}}]}`)))
	return trust
}

// config is what Velero passes to Init.
func (p *plugin) config(t *testing.T, key cloudsim.AccessKey, changes map[string]string) map[string]string {
	t.Helper()
	credentials := filepath.Join(t.TempDir(), "cloud")
	must(t, os.WriteFile(credentials, []byte(dotenv(key)), 0o600))
	config := map[string]string{
		"bucket": bucketName, "prefix": prefix, "region": region, "endpoint": p.cloud.OSSURL(), "credentialsFile": credentials,
	}
	maps.Copy(config, changes)
	maps.DeleteFunc(config, func(_, value string) bool { return value == "" })
	return config
}

// pid is the id of the plugin's one process.
func (p *plugin) pid(t *testing.T) int {
	t.Helper()
	pids := pluginProcesses(t, p.dir, os.Getpid())
	if len(pids) != 1 {
		t.Fatalf("the plugin has the processes %v, want one", pids)
	}
	return pids[0]
}

// randomStream returns a reader of size bytes that are always the same.
func randomStream(size int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{}), size)
}

func testKilledUpload(t *testing.T, p *plugin) {
	t.Helper()
	const key = "velero/backups/killed/killed.tar.gz"
	// At the latest when half is there the process is dead.
	body := &interrupted{Reader: randomStream(gibibyte), after: gibibyte / 2, do: func() { killAll(t, []int{p.pid(t)}) }}
	if err := p.store.PutObject(bucketName, key, body); err == nil {
		t.Fatal("the upload of a process that was killed has succeeded")
	}
	wantEqual(t, "objects after the kill", p.cloud.OSS().Objects(bucketName), []oss.ObjectInfo{})
	uploads := p.cloud.OSS().Uploads(bucketName)
	if len(uploads) != 1 || uploads[0].Size == 0 {
		t.Fatalf("uploads that are left: %+v, want one with parts", uploads)
	}
	must(t, p.cloud.OSS().BackdateUploads(bucketName, abandonedAge))

	// Velero's code starts a new process with the first call after it has noticed that the old one is gone.
	eventually(t, "a new process of the plugin", func(context.Context) error {
		_, err := p.store.ObjectExists(bucketName, key)
		return err
	})
	must(t, p.store.PutObject(bucketName, key, randomStream(20<<20)))
	wantEqual(t, "uploads that are left after the next one", p.cloud.OSS().Uploads(bucketName), []oss.UploadInfo{})
	exists, err := p.store.ObjectExists(bucketName, key)
	must(t, err)
	wantEqual(t, "whether the next one's object exists", exists, true)
}

// interrupted is a reader that does something once, when so many bytes have been read.
type interrupted struct {
	io.Reader

	after int64
	do    func()
}

// Read implements io.Reader.
func (r *interrupted) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	before := r.after
	r.after -= int64(n)
	if before > 0 && r.after <= 0 {
		r.do()
	}
	return n, err
}

func testCallsUnderNodeRole(t *testing.T, p *plugin) {
	t.Helper()
	const calls = 200
	for call := range calls {
		exists, err := p.store.ObjectExists(bucketName, fmt.Sprintf("velero/backups/%d/velero-backup.json", call))
		must(t, err)
		if exists {
			t.Fatal("an object exists in an empty bucket")
		}
	}
	fetches, connections := 0, map[string]bool{}
	for _, entry := range p.cloud.Journal().Entries() {
		if entry.Service == "imds" && strings.HasSuffix(entry.Resource, "/"+nodeRole) {
			fetches++
		}
		if entry.Service == "oss" {
			connections[entry.Connection] = true
		}
	}
	wantEqual(t, "calls", p.cloud.Journal().Count("oss", ""), calls)
	wantEqual(t, "fetches of the role's credentials", fetches, 1)
	wantEqual(t, "connections to OSS", len(connections), 1)
}
