// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/endpoint"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/retry"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/account"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/cloudsimtest"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/simtime"
)

// simulated is an account with a bucket, a disk, users and roles, and an instance in cn-hangzhou.
const simulated = `
accounts:
- id: "1000000000000001"
  users:
  - name: velero
    keys: [{id: LTAIvelero, secret: velero-secret}]
    policies:
    - {Version: "1", Statement: [{Effect: Allow, Action: "oss:*", Resource: "acs:oss:*:*:backups*"}, {Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}]}
  - name: snapshotter
    keys: [{id: LTAIsnapshotter, secret: snapshotter-secret}]
    policies:
    - {Version: "1", Statement: [{Effect: Allow, Action: "ecs:*", Resource: "*"}]}
  - name: reader
    keys: [{id: LTAIreader, secret: reader-secret}]
    policies:
    - {Version: "1", Statement: [{Effect: Allow, Action: "ecs:Describe*", Resource: "*"}]}
  - name: assumer
    keys: [{id: LTAIassumer, secret: assumer-secret}]
    policies:
    - {Version: "1", Statement: [{Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}]}
  roles:
  - name: node
    trust: {Version: "1", Statement: [{Effect: Allow, Action: "sts:AssumeRole", Principal: {Service: [ecs.aliyuncs.com]}}]}
    policies:
    - {Version: "1", Statement: [{Effect: Allow, Action: ["oss:*", "ecs:*"], Resource: "*"}]}
  - name: backup
    trust: {Version: "1", Statement: [{Effect: Allow, Action: "sts:AssumeRole", Principal: {RAM: ["acs:ram::1000000000000001:root"]}}]}
    policies:
    - {Version: "1", Statement: [{Effect: Allow, Action: ["oss:*", "ecs:*"], Resource: "*"}]}
  - name: rrsa
    trust: {Version: "1", Statement: [{Effect: Allow, Action: "sts:AssumeRole", Principal: {Federated: ["acs:ram::1000000000000001:oidc-provider/ack"]}}]}
    policies:
    - {Version: "1", Statement: [{Effect: Allow, Action: "oss:*", Resource: "*"}]}
  oidcProviders:
  - {name: ack, issuer: "https://oidc.example.com", clientIds: [sts.aliyuncs.com]}
buckets:
- {name: backups, region: cn-hangzhou, owner: "1000000000000001"}
ecs:
  regions:
  - {id: cn-hangzhou, zones: [{id: cn-hangzhou-k}]}
  - {id: cn-beijing, zones: [{id: cn-beijing-k}]}
  disks:
  - {id: d-data, account: "1000000000000001", zone: cn-hangzhou-k, size: 20, attachedBefore: true}
instance: {id: i-1, region: cn-hangzhou, zone: cn-hangzhou-k, account: "1000000000000001", role: node, hardened: true}
`

// world is a Cloud of the simulated account.
type world struct {
	*Cloud
	sim *cloudsim.Cloud
	env map[string]string
	log *logtest.Hook
	// time is the Cloud's clock, which the simulated ECS goes by too.
	time *simtime.Clock
}

func newWorld(t *testing.T, env map[string]string) *world {
	t.Helper()
	return newWorldOf(t, simulated, env)
}

// newWorldOf is newWorld of another account.
func newWorldOf(t *testing.T, simulated string, env map[string]string) *world {
	t.Helper()
	sim := cloudsimtest.Start(t, simulated)
	w := &world{sim: sim, env: map[string]string{metadataEndpointVariable: sim.MetadataURL(), stsEndpointVariable: sim.RPCURL()}}
	for name, value := range env {
		w.env[name] = value
	}
	client, err := sim.HTTPClient()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	logger, hook := logtest.NewNullLogger()
	logger.SetLevel(logrus.DebugLevel)
	w.log = hook
	w.time = simtime.New(sim.ECS().Advance)
	w.Cloud = New(Environment{
		Getenv: func(name string) string { return w.env[name] },
		Log:    logger,
		Now:    w.time.Now,
		Sleep:  w.time.Sleep,
		RPC:    client,
		Retry:  retry.Policy{BaseDelay: time.Millisecond, MaxDelay: 10 * time.Millisecond},
	})
	return w
}

// file writes a credentials file and returns its path.
func file(t *testing.T, id, secret string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cloud")
	content := fmt.Sprintf("ALIBABA_CLOUD_ACCESS_KEY_ID=%s\nALIBABA_CLOUD_ACCESS_KEY_SECRET=%s\n", id, secret)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// head asks for an object that is not there: whoever may ask is told so.
func head(t *testing.T, clients *OSS) error {
	t.Helper()
	_, err := clients.Client.HeadObject(t.Context(), &oss.HeadObjectRequest{Bucket: oss.Ptr("backups"), Key: oss.Ptr("none")})
	if failure.Classify(err) == failure.NotFound {
		return nil
	}
	return err
}

func TestWhereALocationsOSSIs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name                     string
		config                   OSSConfig
		wantEndpoint, wantSigned string
	}{
		{"region and network", OSSConfig{Region: "cn-beijing", Network: endpoint.Internal}, "oss-cn-beijing-internal.aliyuncs.com", "oss-cn-beijing.aliyuncs.com"},
		{"the region of the instance", OSSConfig{Network: endpoint.Public}, "oss-cn-hangzhou.aliyuncs.com", "oss-cn-hangzhou.aliyuncs.com"},
		{"the region of the instance, which is asked for although the location is not on ECS", OSSConfig{Network: endpoint.Public, NotOnECS: true}, "oss-cn-hangzhou.aliyuncs.com", "oss-cn-hangzhou.aliyuncs.com"},
		{"auto is internal in the instance's own region", OSSConfig{Region: "cn-hangzhou", Network: endpoint.Auto}, "oss-cn-hangzhou-internal.aliyuncs.com", "oss-cn-hangzhou.aliyuncs.com"},
		{"auto is public in any other region", OSSConfig{Region: "cn-beijing", Network: endpoint.Auto}, "oss-cn-beijing.aliyuncs.com", "oss-cn-beijing.aliyuncs.com"},
		{"auto is public where the location is not on ECS", OSSConfig{Region: "cn-hangzhou", Network: endpoint.Auto, NotOnECS: true}, "oss-cn-hangzhou.aliyuncs.com", "oss-cn-hangzhou.aliyuncs.com"},
		{"an endpoint beats the network", OSSConfig{Region: "cn-hangzhou", Network: endpoint.Internal, Endpoint: "https://oss.example.com"}, "oss.example.com", "oss.example.com"},
		{"an internal endpoint signs for the public one", OSSConfig{Endpoint: "https://oss-cn-beijing-internal.aliyuncs.com"}, "oss-cn-beijing-internal.aliyuncs.com", "oss-cn-beijing.aliyuncs.com"},
		{"the government region's internal network signs for its public one", OSSConfig{Region: "cn-north-2-gov-1", Network: endpoint.Internal}, "oss-cn-north-2-gov-1-internal.aliyuncs.com", "oss-cn-north-2-gov-1.aliyuncs.com"},
		{"the government region's internal endpoint signs for the public one", OSSConfig{Endpoint: "https://oss-cn-north-2-gov-1-internal.aliyuncs.com"}, "oss-cn-north-2-gov-1-internal.aliyuncs.com", "oss-cn-north-2-gov-1.aliyuncs.com"},
		{"a finance region's internal endpoint has no public one that could be told", OSSConfig{Region: "cn-hangzhou-finance", Endpoint: "https://oss-cn-hzjbp-a-internal.aliyuncs.com"}, "oss-cn-hzjbp-a-internal.aliyuncs.com", "oss-cn-hzjbp-a-internal.aliyuncs.com"},
		{"a public endpoint that is named", OSSConfig{Region: "cn-beijing", Network: endpoint.Internal, PublicEndpoint: "https://p.example.com"}, "oss-cn-beijing-internal.aliyuncs.com", "p.example.com"},
	}
	w := newWorld(t, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.config.Credentials.File = file(t, "LTAIvelero", "velero-secret")
			clients, err := w.OSS(t.Context(), tt.config)
			if err != nil {
				t.Fatal(err)
			}
			signed, err := clients.Presigner.Presign(t.Context(), &oss.GetObjectRequest{Bucket: oss.Ptr("backups"), Key: oss.Ptr("k")})
			if err != nil {
				t.Fatal(err)
			}
			host, _, _ := strings.Cut(signed.URL, "/k?")
			got := []string{clients.Endpoint.Host, host}
			want := []string{tt.wantEndpoint, "https://backups." + tt.wantSigned}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("endpoints differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestALocationWithoutARegion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{metadataEndpointVariable: "http://127.0.0.1:1"})
	for _, config := range []OSSConfig{
		{Network: endpoint.Public},
		{Network: endpoint.Public, NotOnECS: true},
		{Endpoint: "https://oss.example.com"},
	} {
		_, err := w.OSS(t.Context(), config)
		if err == nil || !strings.Contains(err.Error(), `set the location's config key "region"`) {
			t.Errorf("%+v: got %v, want what to set", config, err)
		}
	}
	if _, err := w.OSS(t.Context(), OSSConfig{Region: "cn-hangzhou", Network: endpoint.Auto}); err != nil {
		t.Errorf("auto needs no instance: %v", err)
	}
}

func TestMalformedOSSConfigs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for name, config := range map[string]OSSConfig{
		"the endpoint":        {Region: "cn-hangzhou", Endpoint: "oss://x"},
		"the public endpoint": {Region: "cn-hangzhou", PublicEndpoint: "oss://x"},
		"caCert":              {Region: "cn-hangzhou", CACert: "none"},
	} {
		if _, err := w.OSS(t.Context(), config); err == nil || !strings.Contains(err.Error(), "reading "+name) {
			t.Errorf("got %v, want an error about %s", err, name)
		}
	}
}

func TestEqualConfigsShareAClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	config := OSSConfig{Region: "cn-hangzhou", Network: endpoint.Public, Credentials: credentials.Config{File: "/one"}}
	first, err := w.OSS(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.OSS(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	config.Credentials.File = "/two"
	other, err := w.OSS(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if first != again || first == other {
		t.Errorf("clients: first %p, again %p, other credentials %p", first, again, other)
	}
}

func TestEveryKindOfCredentialsOpensTheBucket(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		env    func(t *testing.T, w *world)
		config func(t *testing.T) credentials.Config
		// notOnECS is that of the location.
		notOnECS bool
		// caller is who OSS takes the request for.
		caller string
	}{
		{
			name: "a credentials file of the location",
			config: func(t *testing.T) credentials.Config {
				t.Helper()
				return credentials.Config{File: file(t, "LTAIvelero", "velero-secret")}
			},
			caller: "user/velero",
		},
		{
			name: "a role that is assumed with it",
			config: func(t *testing.T) credentials.Config {
				t.Helper()
				return credentials.Config{File: file(t, "LTAIassumer", "assumer-secret"), RoleARN: account.RoleARN("1000000000000001", "backup")}
			},
			caller: "role/backup",
		},
		{
			name: "the environment",
			env: func(_ *testing.T, w *world) {
				w.env["ALIBABA_CLOUD_ACCESS_KEY_ID"], w.env["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] = "LTAIvelero", "velero-secret"
			},
			caller: "user/velero",
		},
		{
			name: "RRSA",
			env: func(t *testing.T, w *world) {
				t.Helper()
				provider := account.ProviderARN("1000000000000001", "ack")
				token, err := w.sim.MintToken(provider, "system:serviceaccount:velero:velero", "sts.aliyuncs.com", time.Hour)
				if err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(t.TempDir(), "token")
				if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
					t.Fatal(err)
				}
				w.env["ALIBABA_CLOUD_ROLE_ARN"] = account.RoleARN("1000000000000001", "rrsa")
				w.env["ALIBABA_CLOUD_OIDC_PROVIDER_ARN"], w.env["ALIBABA_CLOUD_OIDC_TOKEN_FILE"] = provider, path
			},
			caller: "role/rrsa",
		},
		{
			name: "the file that Velero mounts for all locations",
			env: func(t *testing.T, w *world) {
				t.Helper()
				w.env["ALIBABA_CLOUD_CREDENTIALS_FILE"] = file(t, "LTAIvelero", "velero-secret")
			},
			caller: "user/velero",
		},
		{name: "the role of the node", caller: "role/node"},
		{
			name:     "the role of the node that is named in a location that is not on ECS",
			env:      func(_ *testing.T, w *world) { w.env["ALIBABA_CLOUD_RAM_ROLE"] = "node" },
			notOnECS: true,
			caller:   "role/node",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			config := OSSConfig{Region: "cn-hangzhou", Endpoint: w.sim.OSSURL(), NotOnECS: tt.notOnECS}
			if tt.env != nil {
				tt.env(t, w)
			}
			if tt.config != nil {
				config.Credentials = tt.config(t)
			}
			clients, err := w.OSS(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			if err := head(t, clients); err != nil {
				t.Fatal(err)
			}
			entries := w.sim.Journal().Entries()
			if last := entries[len(entries)-1]; !strings.Contains(last.Caller, strings.TrimPrefix(tt.caller, "role/")) {
				t.Errorf("the request was made by %s, want %s", last.Caller, tt.caller)
			}
		})
	}
}

func TestALocationThatIsNotOnECSAsksForWhatIsNamed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		env     map[string]string
		config  OSSConfig
		want    []string
		wantErr string
	}{
		{
			name:    "nothing where no role is named",
			config:  OSSConfig{Region: "cn-hangzhou", Network: endpoint.Auto},
			wantErr: "ALIBABA_CLOUD_RAM_ROLE names none",
		},
		{
			name:   "the credentials of a role that is named, not which one there is",
			env:    map[string]string{"ALIBABA_CLOUD_RAM_ROLE": "node"},
			config: OSSConfig{Region: "cn-hangzhou", Network: endpoint.Auto},
			want:   []string{"PutToken", "GetCredentials"},
		},
		{
			name:    "nothing where the metadata service is switched off",
			env:     map[string]string{"ALIBABA_CLOUD_RAM_ROLE": "node", "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"},
			config:  OSSConfig{Region: "cn-hangzhou", Network: endpoint.Auto},
			wantErr: "the instance metadata service is not asked (ALIBABA_CLOUD_ECS_METADATA_DISABLED)",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.env)
			tt.config.NotOnECS = true
			clients, err := w.OSS(t.Context(), tt.config)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = clients.Credentials.Credentials(t.Context()); err == nil != (tt.wantErr == "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("error %v, want %q", err, tt.wantErr)
			}
			var asked []string
			for _, entry := range w.sim.Journal().Entries() {
				asked = append(asked, entry.Operation)
			}
			if diff := cmp.Diff(tt.want, asked); diff != "" {
				t.Errorf("requests differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheRoleOfTheNodeIsAskedForOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	config := OSSConfig{Region: "cn-hangzhou", Endpoint: w.sim.OSSURL()}
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			for range 20 {
				clients, err := w.OSS(t.Context(), config)
				if err == nil {
					err = head(t, clients)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	fetches, connections := 0, map[string]bool{}
	for _, entry := range w.sim.Journal().Entries() {
		switch {
		case entry.Service == "oss":
			connections[entry.Connection] = true
		case strings.Contains(entry.Resource, "security-credentials/node"):
			fetches++
		}
	}
	if got := w.sim.Journal().Count("oss", "HeadObject"); got != 200 {
		t.Errorf("%d requests, want 200", got)
	}
	if fetches != 1 {
		t.Errorf("credentials were fetched %d times", fetches)
	}
	// A connection that is made while another one becomes free is one more.
	if len(connections) > 20 {
		t.Errorf("%d connections for ten callers", len(connections))
	}
}

func TestAnExpiredTokenIsRenewed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	clients, err := w.OSS(t.Context(), OSSConfig{Region: "cn-hangzhou", Endpoint: w.sim.OSSURL()})
	if err != nil {
		t.Fatal(err)
	}
	if err := head(t, clients); err != nil {
		t.Fatal(err)
	}
	handle, err := w.sim.Faults().Add(fault.Rule{Service: "oss", ExpireToken: true, Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := head(t, clients); err != nil {
		t.Errorf("after the token expired: %v", err)
	}
	if handle.Hits() != 1 {
		t.Errorf("the token expired %d times", handle.Hits())
	}
}

func TestARequestForgetsTheTokenOfOtherCredentials(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "cloud")
	write := func(content string) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Error(err)
		}
	}
	var tokens []string
	server := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		tokens = append(tokens, request.Header.Get("X-Oss-Security-Token"))
		if len(tokens) == 1 {
			write("ALIBABA_CLOUD_ACCESS_KEY_ID=LTAIpermanent\nALIBABA_CLOUD_ACCESS_KEY_SECRET=secret\n")
			answer.WriteHeader(http.StatusForbidden)
			fmt.Fprint(answer, "<Error><Code>SecurityTokenExpired</Code></Error>")
			return
		}
		fmt.Fprint(answer, "<ListBucketResult/>")
	}))
	t.Cleanup(server.Close)
	write("ALIBABA_CLOUD_ACCESS_KEY_ID=STS.temporary\nALIBABA_CLOUD_ACCESS_KEY_SECRET=secret\nALIBABA_CLOUD_SECURITY_TOKEN=token\n")
	clients, err := newWorld(t, nil).OSS(t.Context(), OSSConfig{
		Region: "cn-hangzhou", Endpoint: server.URL, Credentials: credentials.Config{File: path},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := clients.Client.ListObjectsV2(t.Context(), &oss.ListObjectsV2Request{Bucket: oss.Ptr("backups")}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"token", ""}, tokens); diff != "" {
		t.Errorf("tokens of the requests differ (-want +got):\n%s", diff)
	}
}

func TestSTSIsAskedWhereOSSIs(t *testing.T) {
	t.Parallel()
	internal := ossPlace{region: "cn-hangzhou", internal: true}
	tests := []struct {
		name  string
		env   string
		place ossPlace
		given string
		want  string
	}{
		{"inside the region beside an internal endpoint", "", internal, "", "sts-vpc.cn-hangzhou.aliyuncs.com"},
		{"anywhere else by default", "", ossPlace{region: "cn-hangzhou"}, "", ""},
		{"where the environment says", "https://sts.example.com", internal, "", ""},
		{"where the location says", "", internal, "sts.example.com", "sts.example.com"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := New(Environment{Getenv: func(name string) string { return map[string]string{stsEndpointVariable: tt.env}[name] }})
			if got := c.stsNear(credentials.Config{STSEndpoint: tt.given}, tt.place.region, tt.place.internal).STSEndpoint; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
