// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/metadata"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// loopbackClient refuses to leave this machine, whatever a test is made to ask.
func loopbackClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if host, _, err := net.SplitHostPort(address); err != nil || !net.ParseIP(host).IsLoopback() {
				return nil, fmt.Errorf("%s is not on this machine", address)
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}}
}

// environment returns one that offers nothing but the variables, given as name=value.
func environment(t *testing.T, now *clock, variables ...string) Environment {
	t.Helper()
	set := map[string]string{}
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		set[name] = value
	}
	return Environment{
		Getenv:         func(name string) string { return set[name] },
		AddonTokenFile: filepath.Join(t.TempDir(), "token-config"),
		HTTPClient:     loopbackClient(),
		Now:            now.Now,
		Sleep:          func(time.Duration) {},
	}
}

// node serves the metadata service of a node with a role.
func node(t *testing.T, role string, expiration func() time.Time) (*metadata.Client, *atomic.Int64) {
	t.Helper()
	var fetched atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "token") })
	if role != "" {
		const roles = "GET /latest/meta-data/ram/security-credentials/"
		mux.HandleFunc(roles+"{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, role) })
		mux.HandleFunc(roles+role, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"Code":"Success","AccessKeyId":"STS.node%02d","AccessKeySecret":%q,"SecurityToken":%q,"Expiration":%q}`,
				fetched.Add(1), testSecret, testToken, expiration().UTC().Format(time.RFC3339))
		})
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return metadata.New(server.URL, loopbackClient()), &fetched
}

func noNode() *metadata.Client {
	return metadata.New("http://192.0.2.1", loopbackClient())
}

// write writes a file below the directory and returns its path.
func write(t *testing.T, directory, name, content string) string {
	t.Helper()
	path := filepath.Join(directory, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func dotenv(key Credentials) string {
	return fmt.Sprintf("%s=%s\n%s=%s\n%s=%s\n", variableAccessKeyID, key.AccessKeyID,
		variableAccessKeySecret, key.AccessKeySecret, variableSTSToken, key.SecurityToken)
}

func TestSourcesInOrder(t *testing.T) {
	t.Parallel()
	now := newClock()
	later := now.Now().Add(time.Hour)
	inEnvironment := []string{variableAccessKeyID + "=LTAI5tEnvironment", variableAccessKeySecret + "=" + testSecret}
	from := func(key Credentials, source string) Credentials {
		key.Source = source
		return key
	}
	nodeKey := Credentials{
		AccessKeyID: "STS.node01", AccessKeySecret: testSecret, SecurityToken: testToken,
		Expiration: later, Source: "RAM role worker of the node",
	}
	addonKey := temporary
	addonKey.Expiration = later
	const secretName = "Secret kube-system/addon.aliyuncsmanagedbackuprestorerole.token"
	secretSays := func(content string, err error) func(context.Context) ([]byte, error) {
		return func(context.Context) ([]byte, error) { return []byte(content), err }
	}
	secrets := schema.GroupResource{Resource: "secrets"}

	tests := []struct {
		name string
		// prepare returns the configuration and the environment; directory is the test's own.
		prepare func(t *testing.T, directory string) (Config, Environment)
		want    func(directory string) Credentials
		wantErr string
		wantIs  error
	}{
		{
			name: "the location's file comes before the environment",
			prepare: func(t *testing.T, directory string) (Config, Environment) {
				t.Helper()
				return Config{File: write(t, directory, "cloud", dotenv(permanent))}, environment(t, now, inEnvironment...)
			},
			want: func(d string) Credentials { return from(permanent, "credentials file "+d+"/cloud") },
		},
		{
			name: "a directory holds one file per value, with line breaks",
			prepare: func(t *testing.T, directory string) (Config, Environment) {
				t.Helper()
				write(t, directory, "access-key-id", permanent.AccessKeyID+"\n")
				write(t, directory, "access-key-secret", testSecret+"\r\n")
				return Config{File: directory}, environment(t, now)
			},
			want: func(d string) Credentials { return from(permanent, "credentials file "+d) },
		},
		{
			name: "a directory may hold a security token",
			prepare: func(t *testing.T, directory string) (Config, Environment) {
				t.Helper()
				write(t, directory, "access-key-id", temporary.AccessKeyID)
				write(t, directory, "access-key-secret", testSecret)
				write(t, directory, "security-token", testToken)
				return Config{File: directory}, environment(t, now)
			},
			want: func(d string) Credentials { return from(temporary, "credentials file "+d) },
		},
		{
			name: "a directory without the secret is an error",
			prepare: func(t *testing.T, directory string) (Config, Environment) {
				t.Helper()
				write(t, directory, "access-key-id", permanent.AccessKeyID)
				return Config{File: directory}, environment(t, now, inEnvironment...)
			},
			wantErr: "must hold the files access-key-id and access-key-secret",
		},
		{
			name: "a profile of an INI file",
			prepare: func(t *testing.T, directory string) (Config, Environment) {
				t.Helper()
				content := "[backup]\naws_access_key_id=" + permanent.AccessKeyID + "\naws_secret_access_key=" + testSecret
				return Config{File: write(t, directory, "cloud", content), Profile: "backup"}, environment(t, now)
			},
			want: func(d string) Credentials {
				return from(permanent, `profile "backup" of the credentials file `+d+"/cloud")
			},
		},
		{
			name: "a file that is missing is an error and no reason to use the environment",
			prepare: func(t *testing.T, directory string) (Config, Environment) {
				t.Helper()
				return Config{File: filepath.Join(directory, "cloud")}, environment(t, now, inEnvironment...)
			},
			wantErr: "is the Secret mounted into the Velero pod",
			wantIs:  os.ErrNotExist,
		},
		{
			name: "a file that is too large is an error",
			prepare: func(t *testing.T, directory string) (Config, Environment) {
				t.Helper()
				return Config{File: write(t, directory, "cloud", strings.Repeat("A=1\n", maxFileSize/4+1))}, environment(t, now)
			},
			wantErr: "too large",
		},
		{
			name: "a file that configures encryption alone leaves the credentials to the environment",
			prepare: func(t *testing.T, directory string) (Config, Environment) {
				t.Helper()
				path := write(t, directory, "cloud", "ALIBABA_CLOUD_ENCRYPTION_KEY_ID=key-1")
				return Config{File: path}, environment(t, now, inEnvironment...)
			},
			want: func(string) Credentials {
				key := permanent
				key.AccessKeyID = "LTAI5tEnvironment"
				return from(key, "environment variable ALIBABA_CLOUD_ACCESS_KEY_ID")
			},
		},
		{
			name: "half a key in the environment is an error",
			prepare: func(t *testing.T, _ string) (Config, Environment) {
				t.Helper()
				return Config{}, environment(t, now, inEnvironment[0])
			},
			wantErr: "must be set together",
		},
		{
			name: "the environment comes before the file that it names",
			prepare: func(t *testing.T, directory string) (Config, Environment) {
				t.Helper()
				path := write(t, directory, "cloud", dotenv(permanent))
				return Config{}, environment(t, now, append(inEnvironment, variableCredentialsFile+"="+path)...)
			},
			want: func(string) Credentials {
				key := permanent
				key.AccessKeyID = "LTAI5tEnvironment"
				return from(key, "environment variable ALIBABA_CLOUD_ACCESS_KEY_ID")
			},
		},
		{
			name: "the file that the environment names comes before the addon token",
			prepare: func(t *testing.T, directory string) (Config, Environment) {
				t.Helper()
				env := environment(t, now, variableCredentialsFile+"="+write(t, directory, "cloud", dotenv(permanent)))
				write(t, filepath.Dir(env.AddonTokenFile), "token-config", addonToken(t, addonKey))
				return Config{}, env
			},
			want: func(d string) Credentials { return from(permanent, "credentials file "+d+"/cloud") },
		},
		{
			name: "the addon token is read where it is mounted",
			prepare: func(t *testing.T, directory string) (Config, Environment) {
				t.Helper()
				env := environment(t, now)
				env.AddonTokenFile = write(t, directory, "token", addonToken(t, addonKey))
				env.AddonTokenSecret = secretSays("", errors.New("not asked"))
				return Config{}, env
			},
			want: func(d string) Credentials { return from(addonKey, "ACK addon token in "+d+"/token") },
		},
		{
			name: "the addon token is read from its Secret",
			prepare: func(t *testing.T, _ string) (Config, Environment) {
				t.Helper()
				env := environment(t, now)
				env.AddonTokenSecret = secretSays(addonToken(t, addonKey), nil)
				return Config{}, env
			},
			want: func(string) Credentials { return from(addonKey, "ACK addon token in the "+secretName) },
		},
		{
			name: "an addon token that has expired is an error that says when",
			prepare: func(t *testing.T, _ string) (Config, Environment) {
				t.Helper()
				old := addonKey
				old.Expiration = now.Now().Add(-time.Minute)
				env := environment(t, now)
				env.AddonTokenSecret = secretSays(addonToken(t, old), nil)
				return Config{}, env
			},
			wantErr: "expired at 2026-02-28T23:59:00Z, and it is 2026-03-01T00:00:00Z now",
		},
		{
			name: "a Secret that is not a token is an error",
			prepare: func(t *testing.T, _ string) (Config, Environment) {
				t.Helper()
				env := environment(t, now)
				env.AddonTokenSecret = secretSays("{}", nil)
				return Config{}, env
			},
			wantErr: "key addon.token.config: the JSON is not an ACK addon token",
		},
		{
			name: "a Kubernetes API that fails is an error and no reason to use another identity",
			prepare: func(t *testing.T, _ string) (Config, Environment) {
				t.Helper()
				env := environment(t, now)
				env.AddonTokenSecret = secretSays("", apierrors.NewInternalError(errors.New("etcd")))
				env.Metadata, _ = node(t, "worker", func() time.Time { return later })
				return Config{}, env
			},
			wantErr: "read the " + secretName,
		},
		{
			name: "the role of the node comes last",
			prepare: func(t *testing.T, _ string) (Config, Environment) {
				t.Helper()
				env := environment(t, now)
				env.AddonTokenSecret = secretSays("", apierrors.NewNotFound(secrets, AddonTokenSecretName))
				env.Metadata, _ = node(t, "worker", func() time.Time { return later })
				return Config{}, env
			},
			want: func(string) Credentials { return nodeKey },
		},
		{
			name: "a dotenv file that names the node's role means that role",
			prepare: func(t *testing.T, directory string) (Config, Environment) {
				t.Helper()
				env := environment(t, now, inEnvironment...)
				env.Metadata, _ = node(t, "worker", func() time.Time { return later })
				return Config{File: write(t, directory, "cloud", "ALIBABA_CLOUD_RAM_ROLE=worker")}, env
			},
			want: func(string) Credentials { return nodeKey },
		},
		{
			name: "a role in the environment that the node does not have is an error",
			prepare: func(t *testing.T, _ string) (Config, Environment) {
				t.Helper()
				env := environment(t, now, variableECSMetadata+"=master")
				env.Metadata, _ = node(t, "worker", func() time.Time { return later })
				return Config{}, env
			},
			wantErr: `"master"; attach it`,
			wantIs:  metadata.ErrNoRole,
		},
		{
			name: "a dotenv file that names the node's role outside ECS is an error",
			prepare: func(t *testing.T, directory string) (Config, Environment) {
				t.Helper()
				env := environment(t, now)
				env.Metadata = noNode()
				return Config{File: write(t, directory, "cloud", "ALIBABA_CLOUD_RAM_ROLE=worker")}, env
			},
			wantErr: "cloud: read the credentials of RAM role",
			wantIs:  metadata.ErrNotOnECS,
		},
		{
			name: "a metadata service that is switched off is not asked",
			prepare: func(t *testing.T, _ string) (Config, Environment) {
				t.Helper()
				env := environment(t, now, variableMetadataDisabled+"=TRUE", variableRAMRole+"=worker")
				env.Metadata, _ = node(t, "worker", func() time.Time { return later })
				return Config{}, env
			},
			wantErr: "RAM role of the node: the instance metadata service is not asked",
			wantIs:  ErrNotFound,
		},
		{
			name: "a role that the environment names is asked for although the location is not on ECS",
			prepare: func(t *testing.T, _ string) (Config, Environment) {
				t.Helper()
				env := environment(t, now, variableRAMRole+"=worker")
				env.NotOnECS = true
				env.Metadata, _ = node(t, "worker", func() time.Time { return later })
				return Config{}, env
			},
			want: func(string) Credentials { return nodeKey },
		},
		{
			name: "a role that a dotenv file names is asked for although the location is not on ECS",
			prepare: func(t *testing.T, directory string) (Config, Environment) {
				t.Helper()
				env := environment(t, now)
				env.NotOnECS = true
				env.Metadata, _ = node(t, "worker", func() time.Time { return later })
				return Config{File: write(t, directory, "cloud", "ALIBABA_CLOUD_RAM_ROLE=worker")}, env
			},
			want: func(string) Credentials { return nodeKey },
		},
		{
			name: "a role that an INI file names is asked for although the location is not on ECS",
			prepare: func(t *testing.T, directory string) (Config, Environment) {
				t.Helper()
				env := environment(t, now)
				env.NotOnECS = true
				env.Metadata, _ = node(t, "worker", func() time.Time { return later })
				return Config{File: write(t, directory, "cloud", "[default]\ntype=ecs_ram_role\nrole_name=worker")}, env
			},
			want: func(string) Credentials { return nodeKey },
		},
		{
			name: "a role that nobody names is not looked for where the location is not on ECS",
			prepare: func(t *testing.T, _ string) (Config, Environment) {
				t.Helper()
				env := environment(t, now)
				env.NotOnECS = true
				env.Metadata, _ = node(t, "worker", func() time.Time { return later })
				return Config{}, env
			},
			wantErr: "RAM role of the node: it is not looked for (notOnECS in the location, or VELERO_FOR_ACK=false), and ALIBABA_CLOUD_RAM_ROLE names none",
			wantIs:  ErrNotFound,
		},
		{
			name: "a role that is named is an error where there is no ECS",
			prepare: func(t *testing.T, _ string) (Config, Environment) {
				t.Helper()
				env := environment(t, now, variableRAMRole+"=worker")
				env.NotOnECS = true
				env.Metadata = noNode()
				return Config{}, env
			},
			wantErr: `read the credentials of RAM role "worker"`,
			wantIs:  metadata.ErrNotOnECS,
		},
		{
			name: "a file's role is not asked for where the metadata service is switched off",
			prepare: func(t *testing.T, directory string) (Config, Environment) {
				t.Helper()
				env := environment(t, now, variableMetadataDisabled+"=true")
				env.NotOnECS = true
				env.Metadata, _ = node(t, "worker", func() time.Time { return later })
				return Config{File: write(t, directory, "cloud", "ALIBABA_CLOUD_RAM_ROLE=worker")}, env
			},
			wantErr: "cloud: the instance metadata service is not asked (ALIBABA_CLOUD_ECS_METADATA_DISABLED)",
		},
		{
			name: "nothing at all is one error that lists what was looked for",
			prepare: func(t *testing.T, _ string) (Config, Environment) {
				t.Helper()
				env := environment(t, now)
				env.AddonTokenSecret = secretSays("", apierrors.NewForbidden(secrets, AddonTokenSecretName, errors.New("RBAC")))
				env.Metadata = noNode()
				return Config{}, env
			},
			wantErr: "credentialsFile of the location: not set; access key in the environment: ALIBABA_CLOUD_ACCESS_KEY_ID is not set; " +
				"RRSA (OIDC): ALIBABA_CLOUD_ROLE_ARN and ALIBABA_CLOUD_OIDC_TOKEN_FILE are not both set; file that ALIBABA_CLOUD_CREDENTIALS_FILE names: not set; " +
				"ACK addon token: ",
			wantIs: ErrNotFound,
		},
		{
			name: "a node without a role is like none",
			prepare: func(t *testing.T, _ string) (Config, Environment) {
				t.Helper()
				env := environment(t, now)
				env.Metadata, _ = node(t, "", nil)
				return Config{}, env
			},
			wantErr: "RAM role of the node: the RAM role is not attached",
			wantIs:  ErrNotFound,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			cfg, env := tt.prepare(t, directory)
			got, err := NewProvider(cfg, env).Credentials(t.Context())
			checkError(t, err, tt.wantErr)
			if tt.wantIs != nil && !errors.Is(err, tt.wantIs) {
				t.Errorf("error %v does not wrap %v", err, tt.wantIs)
			}
			want := Credentials{}
			if tt.want != nil {
				want = tt.want(directory)
			}
			if diff := cmp.Diff(revealKey(want), revealKey(got)); diff != "" {
				t.Errorf("credentials (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCredentialsAreRenewedAheadOfTheirEnd(t *testing.T) {
	t.Parallel()
	now := newClock()
	env := environment(t, now)
	var fetched *atomic.Int64
	env.Metadata, fetched = node(t, "worker", func() time.Time { return now.Now().Add(6 * time.Hour) })
	p := NewProvider(Config{}, env)

	steps := []struct {
		wait        time.Duration
		wantFetches int64
	}{
		{0, 1},
		{6*time.Hour - earliestRefresh - time.Second, 1},
		{earliestRefresh - latestRefresh + time.Second, 2}, // 5 minutes before the end.
		{time.Hour, 2},
	}
	for _, step := range steps {
		now.Advance(step.wait)
		got, err := p.Credentials(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if fetched.Load() != step.wantFetches || !got.usableAt(now.Now()) {
			t.Errorf("at %s: %d fetches, want %d; %s", now.Now(), fetched.Load(), step.wantFetches, got)
		}
	}
}

func TestCredentialsThatCannotBeRenewedAreUsedToTheirEnd(t *testing.T) {
	t.Parallel()
	now := newClock()
	end := now.Now().Add(time.Hour)
	key := temporary
	key.Expiration = end
	var failing atomic.Bool
	var asked atomic.Int64
	env := environment(t, now)
	env.AddonTokenSecret = func(context.Context) ([]byte, error) {
		asked.Add(1)
		if failing.Load() {
			return nil, errors.New("the API server is away")
		}
		return []byte(addonToken(t, key)), nil
	}
	var logged bytes.Buffer
	log := logrus.New()
	log.SetOutput(&logged)
	env.Log = log
	p := NewProvider(Config{}, env)

	if _, err := p.Credentials(t.Context()); err != nil {
		t.Fatal(err)
	}
	failing.Store(true)
	now.Advance(time.Hour - latestRefresh)
	for range 3 {
		if got, err := p.Credentials(t.Context()); err != nil || got.AccessKeyID != key.AccessKeyID {
			t.Fatalf("%s, %v: want the old credentials", got, err)
		}
	}
	if asked.Load() != 2 {
		t.Errorf("asked %d times, want one attempt to renew in %s", asked.Load(), retryInterval)
	}
	if text := logged.String(); !strings.Contains(text, "level=info") || !strings.Contains(text, "the API server is away") {
		t.Errorf("log %q, want the failure at info level", text)
	}
	now.Advance(retryInterval)
	if _, err := p.Credentials(t.Context()); err != nil {
		t.Error(err)
	}
	if asked.Load() != 3 {
		t.Errorf("asked %d times, want another attempt after %s", asked.Load(), retryInterval)
	}
	now.Advance(latestRefresh)
	_, err := p.Credentials(t.Context())
	checkError(t, err, "the API server is away")

	failing.Store(false)
	key.Expiration = now.Now().Add(time.Hour)
	if _, err := p.Credentials(t.Context()); err != nil {
		t.Errorf("after the API server came back: %v", err)
	}
}

func TestTokenThatIsNotYetRotatedIsNotFetchedAtEveryCall(t *testing.T) {
	t.Parallel()
	now := newClock()
	key := temporary
	key.Expiration = now.Now().Add(4 * time.Minute)
	var asked atomic.Int64
	env := environment(t, now)
	env.AddonTokenSecret = func(context.Context) ([]byte, error) {
		asked.Add(1)
		return []byte(addonToken(t, key)), nil
	}
	p := NewProvider(Config{}, env)
	for range 4*60 - 1 { // To a second before the end.
		if _, err := p.Credentials(t.Context()); err != nil {
			t.Fatal(err)
		}
		now.Advance(time.Second)
	}
	if got := asked.Load(); got < 2 || got > 5 {
		t.Errorf("asked %d times in 4 minutes, want at most one per %s", got, retryInterval)
	}
}

func TestFileThatChangesIsReadAgain(t *testing.T) {
	t.Parallel()
	now := newClock()
	directory := t.TempDir()
	path := write(t, directory, "cloud", dotenv(permanent))
	p := NewProvider(Config{File: path}, environment(t, now))
	id := func() string {
		t.Helper()
		got, err := p.Credentials(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return got.AccessKeyID
	}
	rotated := permanent
	rotated.AccessKeyID = "LTAI5tRotated0001"

	if got := id(); got != permanent.AccessKeyID {
		t.Fatalf("%s", got)
	}
	write(t, directory, "cloud", dotenv(rotated)+"# rotated\n")
	if got := id(); got != permanent.AccessKeyID {
		t.Errorf("%s: the file was looked at again within a second", got)
	}
	now.Advance(checkInterval)
	if got, err := p.Variable(t.Context(), variableAccessKeyID); err != nil || got != rotated.AccessKeyID {
		t.Errorf("Variable gives %s, %v", got, err)
	}
	if got := id(); got != rotated.AccessKeyID {
		t.Errorf("%s, want the rotated key", got)
	}

	// A file that is broken for a while, as an editor leaves it, does not take the key away.
	write(t, directory, "cloud", "")
	now.Advance(checkInterval)
	if got := id(); got != rotated.AccessKeyID {
		t.Errorf("%s, want the last good key", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	now.Advance(checkInterval)
	if got := id(); got != rotated.AccessKeyID {
		t.Errorf("%s, want the last good key", got)
	}
	// The cloud's refusal does.
	p.Invalidate(rotated)
	_, err := p.Credentials(t.Context())
	checkError(t, err, "no such file")
	write(t, directory, "cloud", dotenv(permanent))
	if got := id(); got != permanent.AccessKeyID {
		t.Errorf("%s, want the new key at once", got)
	}
}

func TestFileThatIsRewrittenUnchangedStartsNoSearch(t *testing.T) {
	t.Parallel()
	now := newClock()
	env := environment(t, now)
	var fetched *atomic.Int64
	env.Metadata, fetched = node(t, "worker", func() time.Time { return now.Now().Add(time.Hour) })
	directory := t.TempDir()
	profile := func(comment string) string { return comment + "[default]\ntype=ecs_ram_role\nrole_name=worker\n" }
	path := write(t, directory, "cloud", profile(""))
	p := NewProvider(Config{File: path}, env)
	steps := []struct {
		name, content string
		want          int64
	}{
		{"the same content, as Velero writes it whenever it gets the location", profile(""), 1},
		{"another content", profile("# changed\n"), 2},
		{"the same content again", profile("# changed\n"), 2},
	}
	if _, err := p.Credentials(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, step := range steps {
		write(t, directory, "cloud", step.content)
		written := now.Now().Add(time.Duration(i) * time.Minute)
		if err := os.Chtimes(path, written, written); err != nil {
			t.Fatal(err)
		}
		now.Advance(checkInterval)
		if _, err := p.Credentials(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := fetched.Load(); got != step.want {
			t.Errorf("%s: %d searches so far, want %d", step.name, got, step.want)
		}
	}
}

func TestSecretVolumeThatKubernetesSwapsIsReadAgain(t *testing.T) {
	t.Parallel()
	now := newClock()
	mount := t.TempDir()
	rotated := permanent
	rotated.AccessKeyID = "LTAI5tRotated0001"
	for name, key := range map[string]Credentials{"..1": permanent, "..2": rotated} {
		if err := os.Mkdir(filepath.Join(mount, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(mount, name), "access-key-id", key.AccessKeyID)
		write(t, filepath.Join(mount, name), "access-key-secret", key.AccessKeySecret)
	}
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(mount, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("..1", "..data")
	link("..data/access-key-id", "access-key-id")
	link("..data/access-key-secret", "access-key-secret")

	p := NewProvider(Config{File: mount}, environment(t, now))
	for i, want := range []string{permanent.AccessKeyID, rotated.AccessKeyID} {
		if i == 1 {
			link("..2", "..new")
			if err := os.Rename(filepath.Join(mount, "..new"), filepath.Join(mount, "..data")); err != nil {
				t.Fatal(err)
			}
			now.Advance(checkInterval)
		}
		got, err := p.Credentials(t.Context())
		if err != nil || got.AccessKeyID != want {
			t.Errorf("%s, %v: want %s", got, err, want)
		}
	}
}

func TestInvalidateFetchesAnew(t *testing.T) {
	t.Parallel()
	now := newClock()
	env := environment(t, now)
	var fetched *atomic.Int64
	env.Metadata, fetched = node(t, "worker", func() time.Time { return now.Now().Add(time.Hour) })
	p := NewProvider(Config{}, env)
	for want := int64(1); want <= 3; want++ {
		got, err := p.Credentials(t.Context())
		if wantID := fmt.Sprintf("STS.node%02d", want); err != nil || got.AccessKeyID != wantID || fetched.Load() != want {
			t.Errorf("%s, %v, %d fetches: want %s", got, err, fetched.Load(), wantID)
		}
		p.Invalidate(got)
	}
}

func TestLateRefusalDoesNotThrowAwayFreshCredentials(t *testing.T) {
	t.Parallel()
	now := newClock()
	env := environment(t, now)
	var fetched *atomic.Int64
	env.Metadata, fetched = node(t, "worker", func() time.Time { return now.Now().Add(time.Hour) })
	p := NewProvider(Config{}, env)
	refused, err := p.Credentials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // Requests that were sent with the same credentials.
		p.Invalidate(refused)
		got, err := p.Credentials(t.Context())
		if err != nil || got.AccessKeyID != "STS.node02" || fetched.Load() != 2 {
			t.Errorf("%s, %v, %d fetches: want the second credentials", got, err, fetched.Load())
		}
	}
	sameKey := refused
	sameKey.AccessKeyID, sameKey.SecurityToken = "STS.node02", "another token"
	p.Invalidate(sameKey)
	if got, err := p.Credentials(t.Context()); err != nil || fetched.Load() != 2 {
		t.Errorf("%s, %v, %d fetches: want the second credentials, for the token refused was another", got, err, fetched.Load())
	}
}

func TestResultFromBeforeInvalidateIsNotKept(t *testing.T) {
	t.Parallel()
	now := newClock()
	key := temporary
	key.Expiration = now.Now().Add(time.Hour)
	token := addonToken(t, key)
	started, release := make(chan struct{}), make(chan struct{})
	var asked atomic.Int64
	env := environment(t, now)
	env.AddonTokenSecret = func(context.Context) ([]byte, error) {
		if asked.Add(1) == 2 {
			close(started)
			<-release
		}
		return []byte(token), nil
	}
	p := NewProvider(Config{}, env)
	if _, err := p.Credentials(t.Context()); err != nil {
		t.Fatal(err)
	}
	now.Advance(time.Hour - latestRefresh)
	renewal := make(chan error)
	go func() {
		_, err := p.Credentials(context.WithoutCancel(t.Context()))
		renewal <- err
	}()
	<-started
	p.Invalidate(key)
	if _, err := p.Credentials(t.Context()); err != nil || asked.Load() != 3 {
		t.Errorf("error %v after %d searches, want a third one beside the second", err, asked.Load())
	}
	p.Invalidate(key)
	close(release)
	if err := <-renewal; err != nil {
		t.Errorf("the caller who began the renewal gets: %v", err)
	}
	if _, err := p.Credentials(t.Context()); err != nil || asked.Load() != 4 {
		t.Errorf("error %v after %d searches, want a fourth one", err, asked.Load())
	}
}

func TestManyCallersShareOneSearch(t *testing.T) {
	t.Parallel()
	now := newClock()
	env := environment(t, now)
	var fetched *atomic.Int64
	env.Metadata, fetched = node(t, "worker", func() time.Time { return now.Now().Add(time.Hour) })
	p := NewProvider(Config{}, env)
	start := make(chan struct{})
	failures := make(chan error, 200)
	for range cap(failures) {
		go func() {
			<-start
			_, err := p.Credentials(t.Context())
			failures <- err
		}()
	}
	close(start)
	for range cap(failures) {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
	if fetched.Load() != 1 {
		t.Errorf("%d fetches, want 1", fetched.Load())
	}
}

func TestCallerWhoGivesUpDoesNotStopTheSearch(t *testing.T) {
	t.Parallel()
	now := newClock()
	key := temporary
	key.Expiration = now.Now().Add(time.Hour)
	token := addonToken(t, key)
	started, release := make(chan struct{}), make(chan struct{})
	var asked atomic.Int64
	env := environment(t, now)
	env.AddonTokenSecret = func(ctx context.Context) ([]byte, error) {
		asked.Add(1)
		close(started)
		<-release
		return []byte(token), ctx.Err()
	}
	p := NewProvider(Config{}, env)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := p.Credentials(ctx)
		gone <- err
	}()
	<-started
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	close(release)
	if _, err := p.Credentials(t.Context()); err != nil || asked.Load() != 1 {
		t.Errorf("error %v after %d searches, want the result of the first one", err, asked.Load())
	}
	if _, err := p.Credentials(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

func TestProvidersOfOneProcessStayApart(t *testing.T) {
	t.Parallel()
	now := newClock()
	directory := t.TempDir()
	other := permanent
	other.AccessKeyID = "LTAI5tOther000001"
	one := NewProvider(Config{File: write(t, directory, "one", dotenv(permanent)+"ALIBABA_CLOUD_ENCRYPTION_KEY_ID=key-1")}, environment(t, now))
	two := NewProvider(Config{File: write(t, directory, "two", dotenv(other))}, environment(t, now))
	for range 2 {
		for provider, want := range map[*Provider]string{one: permanent.AccessKeyID, two: other.AccessKeyID} {
			if got, err := provider.Credentials(t.Context()); err != nil || got.AccessKeyID != want {
				t.Errorf("%s, %v: want %s", got, err, want)
			}
		}
		one.Invalidate(permanent)
	}
	if got, err := two.Variable(t.Context(), "ALIBABA_CLOUD_ENCRYPTION_KEY_ID"); err != nil || got != "" {
		t.Errorf("the encryption key %q of one location is seen by the other, or error %v", got, err)
	}
	if got := os.Getenv(variableAccessKeyID); got != "" {
		t.Errorf("%s=%s is in the process environment", variableAccessKeyID, got)
	}
}

func TestVariable(t *testing.T) {
	t.Parallel()
	now := newClock()
	directory := t.TempDir()
	const name = "ALIBABA_CLOUD_ENCRYPTION_KEY_ID"
	sets := write(t, directory, "sets", name+"=from-file")
	silent := write(t, directory, "silent", dotenv(permanent))
	empty := write(t, directory, "empty", "\n")
	broken := write(t, directory, "broken", "no assignment\n")
	missing := filepath.Join(directory, "none")
	tests := []struct {
		name, file, environmentFile, variable, want, wantErr string
	}{
		{name: "the location's file wins", file: sets, variable: "from-environment", want: "from-file"},
		{name: "the file that the environment names counts too", environmentFile: sets, variable: "from-environment", want: "from-file"},
		{name: "a file that does not set it leaves it to the environment", file: silent, variable: "from-environment", want: "from-environment"},
		{name: "a location's file hides the one that the environment names", file: silent, environmentFile: sets, want: ""},
		{name: "a file that is missing might have set it", file: missing, variable: "from-environment", wantErr: "no such file"},
		{name: "a file that is empty might have set it", file: empty, variable: "from-environment", wantErr: "the file is empty"},
		{name: "a file that is broken might have set it", file: broken, variable: "from-environment", wantErr: "line 1 is neither"},
		{name: "a broken file that the environment names might have set it", environmentFile: broken, wantErr: "line 1 is neither"},
		{name: "no file", variable: "from-environment", want: "from-environment"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			env := environment(t, now, name+"="+tt.variable, variableCredentialsFile+"="+tt.environmentFile)
			got, err := NewProvider(Config{File: tt.file}, env).Variable(t.Context(), name)
			checkError(t, err, tt.wantErr)
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestVariableOfFileThatCannotBeReadNow(t *testing.T) {
	t.Parallel()
	const name = "ALIBABA_CLOUD_ENCRYPTION_KEY_ID"
	tests := []struct {
		name  string
		spoil func(t *testing.T, path string)
	}{
		{"it is empty", func(t *testing.T, path string) { t.Helper(); write(t, filepath.Dir(path), "cloud", "") }},
		{"it is broken", func(t *testing.T, path string) { t.Helper(); write(t, filepath.Dir(path), "cloud", "no assignment") }},
		{"it is gone", func(t *testing.T, path string) {
			t.Helper()
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			now := newClock()
			path := write(t, t.TempDir(), "cloud", name+"=from-file")
			p := NewProvider(Config{File: path}, environment(t, now, name+"=from-environment"))
			for range 3 {
				if got, err := p.Variable(t.Context(), name); err != nil || got != "from-file" {
					t.Errorf("%q, %v: want what the file last said", got, err)
				}
				if _, err := os.Stat(path); err == nil {
					tt.spoil(t, path)
				}
				now.Advance(checkInterval)
			}
		})
	}
}

func TestFileThatIsBeingWrittenIsWaitedFor(t *testing.T) {
	t.Parallel()
	const name = "ALIBABA_CLOUD_ENCRYPTION_KEY_ID"
	now := newClock()
	directory := t.TempDir()
	env := environment(t, now)
	var slept time.Duration
	var pending string
	env.Sleep = func(d time.Duration) {
		if slept += d; slept == settleTime/2 {
			write(t, directory, "cloud", pending)
		}
	}
	p := NewProvider(Config{File: filepath.Join(directory, "cloud")}, env)
	for _, want := range []string{"first", "second"} {
		pending = dotenv(permanent) + name + "=" + want
		slept = 0
		write(t, directory, "cloud", "") // O_TRUNC
		now.Advance(checkInterval)
		if got, err := p.Variable(t.Context(), name); err != nil || got != want {
			t.Errorf("%q, %v: want %q", got, err, want)
		}
		if got, err := p.Credentials(t.Context()); err != nil || got.AccessKeyID != permanent.AccessKeyID {
			t.Errorf("%s, %v: want the key in the file", got, err)
		}
		if slept != settleTime/2 {
			t.Errorf("slept %s, want %s", slept, settleTime/2)
		}
	}
}

func TestErrorIsToldFromThatOfTheServiceThatIsCalled(t *testing.T) {
	t.Parallel()
	p := NewProvider(Config{File: filepath.Join(t.TempDir(), "none")}, environment(t, newClock()))
	_, err := p.Credentials(t.Context())
	var failed *Error
	if !errors.As(err, &failed) || !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("error %v is not an *Error that wraps its cause", err)
	}
	if diff := cmp.Diff(failed.Err.Error(), err.Error()); diff != "" {
		t.Errorf("the text is not that of the cause (-want +got):\n%s", diff)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Credentials(ended); errors.As(err, new(*Error)) {
		t.Errorf("%v: the caller gave up, the credentials did not fail", err)
	}
}

func TestZeroEnvironmentIsTheProcess(t *testing.T) {
	t.Setenv(variableAccessKeyID, permanent.AccessKeyID)
	t.Setenv(variableAccessKeySecret, testSecret)
	got, err := NewProvider(Config{}, Environment{}).Credentials(t.Context())
	if err != nil || got.AccessKeyID != permanent.AccessKeyID {
		t.Errorf("%s, %v: want the key in the environment", got, err)
	}
}

func TestFileThatVariableReadFirstIsNoticed(t *testing.T) {
	t.Parallel()
	now := newClock()
	directory := t.TempDir()
	p := NewProvider(Config{File: write(t, directory, "cloud", dotenv(permanent))}, environment(t, now))
	if _, err := p.Credentials(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Broken, noticed by Credentials, and mended within the interval of the checks.
	write(t, directory, "cloud", "")
	now.Advance(checkInterval)
	if _, err := p.Credentials(t.Context()); err != nil {
		t.Fatal(err)
	}
	rotated := permanent
	rotated.AccessKeyID = "LTAI5tRotated0001"
	write(t, directory, "cloud", dotenv(rotated))
	if got, err := p.Variable(t.Context(), variableAccessKeyID); err != nil || got != rotated.AccessKeyID {
		t.Errorf("Variable gives %q, %v", got, err)
	}
	if got, err := p.Credentials(t.Context()); err != nil || got.AccessKeyID != rotated.AccessKeyID {
		t.Errorf("%s, %v: want the rotated key", got, err)
	}
}

func TestVariableWhereTheFileForAllLocationsIsMissing(t *testing.T) {
	t.Parallel()
	env := environment(t, newClock())
	variables := map[string]string{"ALIBABA_CLOUD_CREDENTIALS_FILE": filepath.Join(t.TempDir(), "none"), "KEY": "from the environment"}
	env.Getenv = func(name string) string { return variables[name] }
	got, err := NewProvider(Config{}, env).Variable(t.Context(), "KEY")
	checkError(t, err, "")
	if got != "from the environment" {
		t.Errorf("got %q", got)
	}
	if _, err := NewProvider(Config{File: variables["ALIBABA_CLOUD_CREDENTIALS_FILE"]}, env).Variable(t.Context(), "KEY"); err == nil {
		t.Error("the location's own file is missing, and that is no error")
	}
}
