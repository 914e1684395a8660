// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
)

const token = "token-of-the-kubeconfig"

var secrets = schema.GroupResource{Resource: "secrets"}

func TestFind(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		env  map[string]string
		want error
	}{
		{
			name: "outside of a cluster there is none",
			want: cluster.ErrNone,
		},
		{
			name: "a kubeconfig is not read before it is needed",
			env:  map[string]string{"KUBECONFIG": "/does/not/exist"},
		},
		{
			name: "in a pod the service account is not read before it is needed",
			env:  map[string]string{"KUBERNETES_SERVICE_HOST": "127.0.0.1"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			found, err := cluster.Find(getenv(tt.env))
			if !errors.Is(err, tt.want) {
				t.Fatalf("Find() error = %v, want %v", err, tt.want)
			}
			if (found == nil) != (tt.want != nil) {
				t.Errorf("Find() = %v with error %v", found, err)
			}
		})
	}
}

func TestSecretValue(t *testing.T) {
	t.Parallel()
	const path = "/api/v1/namespaces/kube-system/secrets/"
	server := serve(t, map[string]answer{
		path + "addon.alibabacloud.com": {http.StatusOK, &corev1.Secret{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
			ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "addon.alibabacloud.com"},
			Data:       map[string][]byte{"addon.token.config": []byte(`{"access.key.id":"x"}`), "empty": {}},
		}},
		path + "missing": {http.StatusNotFound, status(apierrors.NewNotFound(secrets, "missing"))},
		path + "denied":  {http.StatusForbidden, status(apierrors.NewForbidden(secrets, "denied", errors.New("no role")))},
	})
	here, err := cluster.Find(getenv(map[string]string{"KUBECONFIG": kubeconfig(t, server)}))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, secret, key string
		want              []byte
		wantErr           func(error) bool
	}{
		{
			name:   "a key's value is returned as it was before it was encoded",
			secret: "addon.alibabacloud.com", key: "addon.token.config", want: []byte(`{"access.key.id":"x"}`),
		},
		{
			name:   "an empty value is a value",
			secret: "addon.alibabacloud.com", key: "empty", want: []byte{},
		},
		{
			name:   "a key that the Secret lacks is named",
			secret: "addon.alibabacloud.com", key: "absent",
			wantErr: func(err error) bool {
				return err.Error() == "the Secret kube-system/addon.alibabacloud.com has no key absent"
			},
		},
		{
			name:   "a missing Secret is the API server's not found",
			secret: "missing", key: "key", wantErr: apierrors.IsNotFound,
		},
		{
			name:   "a Secret without permission is the API server's forbidden",
			secret: "denied", key: "key", wantErr: apierrors.IsForbidden,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := here.SecretValue(t.Context(), "kube-system", tt.secret, tt.key)
			switch {
			case tt.wantErr == nil && err != nil:
				t.Fatal(err)
			case tt.wantErr != nil && (err == nil || !tt.wantErr(err)):
				t.Errorf("SecretValue() error = %v, which is not the expected one", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("SecretValue() differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSecretValueWithoutConnection(t *testing.T) {
	t.Parallel()
	closed := httptest.NewTLSServer(http.NotFoundHandler())
	closed.Close()
	tests := []struct {
		name, kubeconfig string
		want             func(error) bool
	}{
		{
			name:       "a kubeconfig that is not there is named",
			kubeconfig: filepath.Join(t.TempDir(), "absent"),
			want: func(err error) bool {
				return errors.Is(err, fs.ErrNotExist) && strings.Contains(err.Error(), "finding the Kubernetes API server")
			},
		},
		{
			name:       "an API server that does not listen is an error",
			kubeconfig: kubeconfig(t, closed),
			want:       func(err error) bool { return strings.Contains(err.Error(), "connection refused") },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			here, err := cluster.Find(getenv(map[string]string{"KUBECONFIG": tt.kubeconfig}))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := here.SecretValue(t.Context(), "kube-system", "name", "key"); err == nil || !tt.want(err) {
				t.Errorf("SecretValue() error = %v, which is not the expected one", err)
			}
		})
	}
}

// TestSecretValueOutsideOfAPod is not parallel, for client-go reads the environment of the process.
func TestSecretValueOutsideOfAPod(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	here, err := cluster.Find(getenv(map[string]string{"KUBERNETES_SERVICE_HOST": "127.0.0.1"}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := here.SecretValue(t.Context(), "kube-system", "name", "key"); !errors.Is(err, rest.ErrNotInCluster) {
		t.Errorf("SecretValue() error = %v, want %v", err, rest.ErrNotInCluster)
	}
}

func getenv(env map[string]string) func(string) string {
	return func(name string) string { return env[name] }
}

// answer is what the API server answers to a GET.
type answer struct {
	code int
	body any
}

func status(err *apierrors.StatusError) *metav1.Status {
	status := err.Status()
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	return &status
}

// serve answers as an API server does to GETs of the paths, with the token alone.
func serve(t *testing.T, answers map[string]answer) *httptest.Server {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		found, ok := answers[r.URL.Path]
		if !ok || r.Method != http.MethodGet || r.Header.Get("Authorization") != "Bearer "+token {
			t.Errorf("unexpected request: %s %s", r.Method, r.URL.Path)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(found.code)
		if err := json.NewEncoder(w).Encode(found.body); err != nil {
			t.Errorf("answering: %v", err)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// kubeconfig writes a kubeconfig of the server and returns its path.
func kubeconfig(t *testing.T, server *httptest.Server) string {
	t.Helper()
	// client-go sends a token over TLS alone.
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	path := filepath.Join(t.TempDir(), "kubeconfig")
	err := clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"c": {Server: server.URL, CertificateAuthorityData: authority}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"u": {Token: token}},
		Contexts:       map[string]*clientcmdapi.Context{"x": {Cluster: "c", AuthInfo: "u"}},
		CurrentContext: "x",
	}, path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFindsVelerosNamespace(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, variable, want string
	}{
		{name: "the variable names it", variable: "backups", want: "backups"},
		{name: "outside of a pod it is that of velero install", want: "velero"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			here, err := cluster.Find(getenv(map[string]string{"KUBECONFIG": "/does/not/exist", "VELERO_NAMESPACE": tt.variable}))
			if err != nil {
				t.Fatal(err)
			}
			if here.Namespace() != tt.want {
				t.Errorf("Namespace() = %s, want %s", here.Namespace(), tt.want)
			}
		})
	}
}

// TestConnectsWhenItCan shows that a failure to connect is not kept.
func TestConnectsWhenItCan(t *testing.T) {
	t.Parallel()
	const path = "/api/v1/namespaces/kube-system/secrets/s"
	server := serve(t, map[string]answer{path: {http.StatusOK, &corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, Data: map[string][]byte{"key": []byte("value")},
	}}})
	file := filepath.Join(t.TempDir(), "later")
	here, err := cluster.Find(getenv(map[string]string{"KUBECONFIG": file}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := here.SecretValue(t.Context(), "kube-system", "s", "key"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("SecretValue() error = %v, want %v", err, fs.ErrNotExist)
	}
	if _, err := here.Zones(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("Zones() error = %v, want %v", err, fs.ErrNotExist)
	}
	if err := os.Rename(kubeconfig(t, server), file); err != nil {
		t.Fatal(err)
	}
	got, err := here.SecretValue(t.Context(), "kube-system", "s", "key")
	if err != nil || string(got) != "value" {
		t.Errorf("SecretValue() = %s, %v, want value", got, err)
	}
}

func TestAbsent(t *testing.T) {
	t.Parallel()
	if _, err := cluster.Absent(cluster.ErrNone).Zones(t.Context()); !errors.Is(err, cluster.ErrNone) {
		t.Errorf("Zones() error = %v, want %v", err, cluster.ErrNone)
	}
}
