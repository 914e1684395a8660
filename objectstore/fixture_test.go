// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/retry"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/front"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/journal"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
)

const (
	ownerID     = "1000000000000001"
	strangerID  = "1000000000000002"
	region      = "cn-hangzhou"
	bucketName  = "cnfs-oss-backup"
	accessKey   = "LTAIvelero"
	secretKey   = "velero-secret-0123456789"
	testPrefix  = "velero"
	smallParts  = 100 << 10
	smallPartsT = "100Ki"
)

// fixture is a Store on the simulated OSS, as Velero would use it.
type fixture struct {
	*Store
	oss      *oss.Service
	accounts *account.Registry
	journal  *journal.Journal
	faults   *fault.Injector
	log      *logtest.Hook
	server   *httptest.Server
	url      string
	// credentials is the path of the location's credentials file.
	credentials string
}

// options of a fixture; all may be nil.
type fixtureOptions struct {
	config map[string]string
	bucket func(*oss.BucketConfig)
	policy string
	now    func() time.Time
	env    map[string]string
}

func newFixture(t *testing.T, opts fixtureOptions) *fixture {
	t.Helper()
	if opts.now == nil {
		opts.now = time.Now
	}
	f := &fixture{journal: journal.New(), faults: fault.NewInjector(1), accounts: account.New(opts.now)}
	f.accountsFor(t, opts.policy)
	bucketConfig := oss.BucketConfig{Name: bucketName, Region: region, Owner: ownerID}
	if opts.bucket != nil {
		opts.bucket(&bucketConfig)
	}
	var err error
	f.oss, err = oss.New(oss.Config{StateDir: t.TempDir(), Buckets: []oss.BucketConfig{bucketConfig}}, f.accounts, opts.now)
	must(t, err)
	f.server = httptest.NewServer(front.New(f.oss, f.journal, f.faults, opts.now))
	t.Cleanup(func() {
		f.server.CloseClientConnections()
		f.server.Close()
		must(t, f.oss.Close())
	})
	f.url = f.server.URL

	f.credentials = filepath.Join(t.TempDir(), "cloud")
	f.writeKey(t, accessKey, secretKey)
	f.Store, f.log = newStore(opts.env)
	must(t, f.Init(f.config(opts.config)))
	return f
}

// newStore returns a Store in an environment where no instance metadata service answers.
func newStore(env map[string]string) (*Store, *logtest.Hook) {
	log, hook := logtest.NewNullLogger()
	log.SetLevel(logrus.DebugLevel)
	getenv := func(name string) string {
		if name == "ALIBABA_CLOUD_ECS_METADATA_ENDPOINT" && env[name] == "" {
			return "http://127.0.0.1:1"
		}
		return env[name]
	}
	cloud := alicloud.New(alicloud.Environment{
		Getenv: getenv,
		Log:    log,
		Retry:  retry.Policy{BaseDelay: time.Millisecond, MaxDelay: 20 * time.Millisecond},
	})
	return New(log, cloud, getenv), hook
}

func (f *fixture) accountsFor(t *testing.T, policy string) {
	t.Helper()
	must(t, f.accounts.AddAccount(ownerID))
	must(t, f.accounts.AddAccount(strangerID))
	if policy == "" {
		content, err := os.ReadFile("../deploy/ram/oss.json")
		must(t, err)
		policy = string(content)
	}
	parsed, err := account.ParsePolicy([]byte(policy))
	must(t, err)
	must(t, f.accounts.AddUser(ownerID, "velero", parsed))
	must(t, f.accounts.CreateKey(account.UserARN(ownerID, "velero"), accessKey, secretKey))
}

// config is what Velero passes to Init, with changes.
func (f *fixture) config(changes map[string]string) map[string]string {
	config := map[string]string{
		"bucket":          bucketName,
		"prefix":          testPrefix,
		"region":          region,
		"endpoint":        f.url,
		"credentialsFile": f.credentials,
		"partSize":        smallPartsT,
	}
	maps.Copy(config, changes)
	maps.DeleteFunc(config, func(_, value string) bool { return value == "" })
	return config
}

func (f *fixture) writeKey(t *testing.T, id, secret string) {
	t.Helper()
	content := fmt.Sprintf("ALIBABA_CLOUD_ACCESS_KEY_ID=%s\nALIBABA_CLOUD_ACCESS_KEY_SECRET=%s\n", id, secret)
	must(t, os.WriteFile(f.credentials, []byte(content), 0o600))
}

// fault adds a rule for requests to OSS.
func (f *fixture) fault(t *testing.T, rule fault.Rule) *fault.Handle {
	t.Helper()
	handle, err := f.faults.Add(rule)
	must(t, err)
	return handle
}

// download reads an object to its end.
func (f *fixture) download(key string) ([]byte, error) {
	body, err := f.GetObject(bucketName, key)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(body)
	if closeErr := body.Close(); err == nil {
		err = closeErr
	}
	return content, err
}

// keys are the keys of all objects that the bucket holds.
func (f *fixture) keys() []string {
	keys := []string{}
	for _, object := range f.oss.Objects(bucketName) {
		keys = append(keys, object.Key)
	}
	return keys
}

// content returns size bytes that differ everywhere and compress badly.
func content(size int) []byte {
	bytes := make([]byte, size)
	state := uint64(size) + 0x9e3779b97f4a7c15
	for i := range bytes {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		bytes[i] = byte(state)
	}
	return bytes
}

// stream hides everything of a reader but Read, like the body that Velero passes.
func stream(content []byte) io.Reader { return struct{ io.Reader }{bytes.NewReader(content)} }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantError fails unless err contains all of the texts.
func wantError(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that contains %q", texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error lacks %q:\n%v", text, err)
		}
	}
	if strings.Contains(err.Error(), secretKey) {
		t.Errorf("the error contains the secret:\n%v", err)
	}
}
