// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/s3"
)

func TestABucketIsServedOverTLSToThoseWhoTrustItsAuthority(t *testing.T) {
	t.Parallel()
	server, err := s3.Serve(t.Context(), "127.0.0.1:0", s3.New("bucket-1", "cn-hangzhou", cloudsim.AccessKey{ID: "key", Secret: "secret"}))
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(server.Authority)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}
	t.Cleanup(transport.CloseIdleConnections)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+server.Address.String()+"/bucket-1/file", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("a request that is not signed has the status %d", response.StatusCode)
	}
	if diff := cmp.Diff([]string{"GET /bucket-1/file: SignatureDoesNotMatch"}, server.Refusals()); diff != "" {
		t.Errorf("refusals (-want +got):\n%s", diff)
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
}
