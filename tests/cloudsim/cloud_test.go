// SPDX-License-Identifier: Apache-2.0

package cloudsim_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	ossclient "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	osscredentials "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/journal"
)

// start starts the cloud of testdata/config.yaml, changed as the test wants.
func start(t *testing.T, change func(*cloudsim.Config), opts ...cloudsim.Option) *cloudsim.Cloud {
	t.Helper()
	config, err := cloudsim.ReadConfig("testdata/config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&config)
	}
	c, err := cloudsim.Start(config, append([]cloudsim.Option{cloudsim.WithStateDir(t.TempDir())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close the cloud: %v", err)
		}
	})
	return c
}

// withoutOIDC leaves out the OIDC providers, whose keys take time to make.
func withoutOIDC(config *cloudsim.Config) {
	for i := range config.Accounts {
		config.Accounts[i].OIDCProviders = nil
	}
}

// proxied returns an HTTP client that reaches the cloud by the real names of endpoints.
func proxied(t *testing.T, c *cloudsim.Cloud) *http.Client {
	t.Helper()
	proxyURL, err := url.Parse(c.ProxyURL())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.CACert())
	transport := &http.Transport{
		Proxy:           http.ProxyURL(proxyURL),
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func ossConfig(endpoint string) *ossclient.Config {
	return ossclient.LoadDefaultConfig().WithRegion("cn-hangzhou").WithEndpoint(endpoint).WithRetryMaxAttempts(1).
		WithCredentialsProvider(osscredentials.NewStaticCredentialsProvider("LTAIvelero", "velero-secret"))
}

func roundTrip(ctx context.Context, client *ossclient.Client, key string, data []byte) ([]byte, error) {
	_, err := client.PutObject(ctx, &ossclient.PutObjectRequest{
		Bucket: ossclient.Ptr("backups"), Key: &key, Body: bytes.NewReader(data),
	})
	if err != nil {
		return nil, err
	}
	result, err := client.GetObject(ctx, &ossclient.GetObjectRequest{Bucket: ossclient.Ptr("backups"), Key: &key})
	if err != nil {
		return nil, err
	}
	defer result.Body.Close()
	return io.ReadAll(result.Body)
}

func TestOSSIsReachedInEveryWay(t *testing.T) {
	t.Parallel()
	c := start(t, withoutOIDC)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.CACert())
	trusting := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	t.Cleanup(trusting.CloseIdleConnections)
	clients := map[string]*ossclient.Config{
		"path style on an address":               ossConfig(c.OSSURL()).WithUsePathStyle(true),
		"path style on an address over TLS":      ossConfig(c.OSSTLSURL()).WithUsePathStyle(true).WithHttpClient(&http.Client{Transport: trusting}),
		"the public endpoint over TLS":           ossConfig("oss-cn-hangzhou.aliyuncs.com").WithHttpClient(proxied(t, c)),
		"the internal endpoint over TLS":         ossConfig("oss-cn-hangzhou-internal.aliyuncs.com").WithHttpClient(proxied(t, c)),
		"the public endpoint over plain HTTP":    ossConfig("http://oss-cn-hangzhou.aliyuncs.com").WithHttpClient(proxied(t, c)),
		"the dual-stack endpoint with signature": ossConfig("cn-hangzhou.oss.aliyuncs.com").WithHttpClient(proxied(t, c)),
	}
	for name, config := range clients {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := []byte("what was written by " + name)
			got, err := roundTrip(t.Context(), ossclient.NewClient(config), strings.ReplaceAll(name, " ", "-"), want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("object (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInternalEndpointsCanBeOutOfReach(t *testing.T) {
	t.Parallel()
	no := false
	for _, how := range []string{"refuse", "timeout"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			c := start(t, func(config *cloudsim.Config) {
				config.Network.InternalReachable = &no
				if how == "timeout" {
					config.Network.Unreachable = "timeout"
				}
			})
			get := func(host string, patience time.Duration) error {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/", nil)
				if err != nil {
					return err
				}
				res, err := proxied(t, c).Do(req)
				if err != nil {
					return err
				}
				return res.Body.Close()
			}
			patience := time.Minute // A refusal comes at once, if the machine has time for it.
			if how == "timeout" {
				patience = 200 * time.Millisecond
			}
			for _, host := range []string{"backups.oss-cn-hangzhou-internal.aliyuncs.com", "sts-vpc.cn-hangzhou.aliyuncs.com"} {
				err := get(host, patience)
				if err == nil {
					t.Errorf("%s can be reached", host)
				}
				if timedOut := errors.Is(err, context.DeadlineExceeded); timedOut != (how == "timeout") {
					t.Errorf("%s: timed out is %v: %v", host, timedOut, err)
				}
			}
			if err := get("backups.oss-cn-hangzhou.aliyuncs.com", time.Minute); err != nil {
				t.Errorf("the public endpoint can not be reached: %v", err)
			}
		})
	}
}

func TestNothingElseIsReachedThroughTheProxy(t *testing.T) {
	t.Parallel()
	c := start(t, func(config *cloudsim.Config) { config.Instance = nil })
	for _, target := range []string{
		"https://example.com/", "http://example.com/", "https://oss-cn-hangzhou.aliyuncs.com:8443/",
		"http://100.100.100.200/latest/meta-data/region-id", "http://127.0.0.1:1/",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := proxied(t, c).Do(req)
		if err != nil {
			continue // a CONNECT that is answered by 502 is an error of the client
		}
		if res.Body.Close(); res.StatusCode != http.StatusBadGateway {
			t.Errorf("%s: status %d, want 502", target, res.StatusCode)
		}
	}
}

func TestMetadataIsReachedUnderItsAddress(t *testing.T) {
	t.Parallel()
	c := start(t, func(config *cloudsim.Config) { config.Instance.Hardened = false })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://100.100.100.200/latest/meta-data/region-id", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := proxied(t, c).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("cn-hangzhou", string(body)); diff != "" {
		t.Errorf("region (-want +got):\n%s", diff)
	}
}

func TestFaultsReachClientsBehindTheProxy(t *testing.T) {
	t.Parallel()
	c := start(t, withoutOIDC)
	client := ossclient.NewClient(ossConfig("oss-cn-hangzhou.aliyuncs.com").WithHttpClient(proxied(t, c)))
	data := bytes.Repeat([]byte("a"), 300_000)
	if _, err := roundTrip(t.Context(), client, "whole", data); err != nil {
		t.Fatal(err)
	}
	h, err := c.Faults().Add(fault.Rule{Service: "oss", Operation: "GetObject", Count: 1, Reset: true, After: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	got, err := roundTrip(t.Context(), client, "cut", data)
	if err == nil || len(got) > 100_000 {
		t.Errorf("read %d bytes with error %v, want an error after at most 100000", len(got), err)
	}
	if h.Hits() != 1 {
		t.Errorf("the rule has %d hits, want 1", h.Hits())
	}
	if _, err := c.Faults().Add(fault.Rule{Service: "oss", Count: 1, Status: 503}); err != nil {
		t.Fatal(err)
	}
	_, err = roundTrip(t.Context(), client, "refused", data)
	var failure *ossclient.ServiceError
	if !errors.As(err, &failure) || failure.StatusCode != http.StatusServiceUnavailable || failure.Code != "ServiceUnavailable" {
		t.Errorf("error %v, want the service's own 503", err)
	}
}

func TestJournalOfAnObject(t *testing.T) {
	t.Parallel()
	c := start(t, withoutOIDC)
	client := ossclient.NewClient(ossConfig(c.OSSURL()).WithUsePathStyle(true))
	if _, err := roundTrip(t.Context(), client, "a", []byte("four")); err != nil {
		t.Fatal(err)
	}
	base := journal.Entry{
		Service: "oss", Resource: "backups/a", AccessKeyID: "LTAIvelero",
		Caller: "acs:ram::1234567890123456:user/velero", Host: strings.TrimPrefix(c.OSSURL(), "http://"), Status: 200,
	}
	put, get := base, base
	put.Operation, put.Method, put.RequestBytes = "PutObject", http.MethodPut, 4
	get.Operation, get.Method, get.ResponseBytes = "GetObject", http.MethodGet, 4
	if err := c.Close(); err != nil { // ends the handlers, so that the entries are complete
		t.Fatal(err)
	}
	ignore := cmpopts.IgnoreFields(journal.Entry{}, "Time", "RequestID", "Connection")
	if diff := cmp.Diff([]journal.Entry{put, get}, c.Journal().Entries(), ignore); diff != "" {
		t.Errorf("journal (-want +got):\n%s", diff)
	}
}

func TestCloseEndsRequestsThatWait(t *testing.T) {
	t.Parallel()
	c := start(t, withoutOIDC)
	rule, err := c.Faults().Add(fault.Rule{Service: "oss", Direction: fault.Request, Stall: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	client := ossclient.NewClient(ossConfig("oss-cn-hangzhou.aliyuncs.com").WithHttpClient(proxied(t, c)))
	failed := make(chan error, 1)
	go func() {
		_, err := roundTrip(t.Context(), client, "stalled", []byte("a"))
		failed <- err
	}()
	for deadline := time.Now().Add(time.Minute); rule.Hits() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the request never came")
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err == nil {
		t.Error("the request succeeded")
	}
}

func TestParseConfigRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ document, want string }{
		"an unknown field":             {"acounts: []", "acounts"},
		"an unknown field of a bucket": {"buckets: [{name: b, region: r, owner: o, colour: red}]", "colour"},
		"an unknown field of a fault":  {"faults: [{latence: 1s}]", "latence"},
		"a policy that is not understood": {
			`accounts: [{id: "1", users: [{name: u, policies: [{Version: "1", Statement: [{Effect: Allow, Action: "*"}]}]}]}]`,
			"Resource",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := cloudsim.ParseConfig([]byte(tt.document))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v does not contain %q", err, tt.want)
			}
		})
	}
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ document, want string }{
		"a fault without an effect":         {"faults: [{service: oss}]", "no effect"},
		"a double account":                  {`accounts: [{id: "1"}, {id: "1"}]`, "already exists"},
		"a key without a secret":            {`accounts: [{id: "1", ownerKey: {id: k}}]`, "secret"},
		"a bucket with a malformed name":    {"buckets: [{name: B, region: r, owner: o}]", "name"},
		"an unknown way to be out of reach": {"network: {unreachable: perhaps}", "perhaps"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, err := cloudsim.ParseConfig([]byte(tt.document))
			if err != nil {
				t.Fatal(err)
			}
			c, err := cloudsim.Start(config, cloudsim.WithStateDir(t.TempDir()))
			if err == nil {
				t.Fatal("it started", c.Close())
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v does not contain %q", err, tt.want)
			}
		})
	}
}
